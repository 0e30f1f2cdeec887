/* setup.h - the plugin under test, as most of these programs want it. */
#ifndef CONTRACT_SETUP_H
#define CONTRACT_SETUP_H

#include <sx/test.h>

#include <string.h>

/* Codes of <sx/plugin.h>, which a test of the server does not see. */
enum { ENOMEM_ = -1, EINVAL_ = -2, ENOENT_ = -3, EBUSY_ = -4, ECLOSED_ = -6, EDENIED_ = -8 };

#define CONTRACT_CONFIG \
    SX_TEST_JSON({ "plugins" : { "contract" : { "options" : { "key" : "abc" } } } })

#define N_OF(array) (sizeof(array) / sizeof *(array))

/* What the plugin wrote down when it could not answer any more. */
static inline json_t *noted(sx_test *t, const char *name)
{
    return json_object_get(sx_answer_json(sx_test_get(t, "/notes")), name);
}

static inline json_int_t noted_int(sx_test *t, const char *name)
{
    return json_integer_value(noted(t, name));
}

#endif /* CONTRACT_SETUP_H */
