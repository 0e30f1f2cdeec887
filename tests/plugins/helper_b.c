/* helper_b - see helper.h. */
#define NAME  "helper_b"
#define START 2000
#include "helper.h"
