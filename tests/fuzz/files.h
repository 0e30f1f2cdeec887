/*
 * files.h - the folder of a target that needs files: made at its first use below $TMPDIR, or
 * /tmp, and removed when the program ends in order.
 */
#ifndef SX_FUZZ_FILES_H
#define SX_FUZZ_FILES_H

#include "base/slice.h"

/* Without a '/' at its end. */
const char *files_dir(void);
void files_write(const char *name, struct sx_slice bytes);
/* files_dir() with a small text "s.txt" and "l.bin", which is too large to be read at once. */
const char *files_root(void);

#endif /* SX_FUZZ_FILES_H */
