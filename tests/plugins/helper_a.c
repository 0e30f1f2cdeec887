/* helper_a - see helper.h. */
#define NAME  "helper_a"
#define START 1000
#include "helper.h"
