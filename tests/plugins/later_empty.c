/* later_empty - its manifest has grown, but it does not use the new field: it runs. */
#define NAME "later_empty"
#define TAIL NULL
#include "later_tail.c"
