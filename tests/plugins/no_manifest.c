/* no_manifest - a shared object that is no plugin: refused. */
__attribute__((visibility("default"))) int answer(void);

int answer(void)
{
    return 42;
}
