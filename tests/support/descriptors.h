/* support/descriptors.h - how many this process has open: what was taken is given back. */
#ifndef SX_TEST_SUPPORT_DESCRIPTORS_H
#define SX_TEST_SUPPORT_DESCRIPTORS_H

#include <dirent.h>
#include <stddef.h>
#include <stdlib.h>

/* The directory that it looks into counts, too, each time. */
static inline size_t sx_test_count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    if (dir == NULL)
        abort();
    while (readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n;
}

#endif /* SX_TEST_SUPPORT_DESCRIPTORS_H */
