/* main.c - the conformance suite on the storage that PAWL_TEST_STORAGE names.
 * One TAP line for each test. CK_RUN_CASE=claim runs one topic, CK_FORK=no is
 * for debuggers. */
#include "program.h"
#include "suite.h"

TCase *topic(const char *name)
{
    TCase *topic_case = tcase_create(name);
    tcase_add_checked_fixture(topic_case, fixture_open, fixture_close);
    tcase_set_timeout(topic_case, 60);
    return topic_case;
}

int main(void)
{
    static TCase *(*const topics[])(void) = {
        topic_put,     topic_session, topic_key,       topic_order, topic_claim,
        topic_outcome, topic_lease,   topic_sweep,     topic_retention,
        topic_alter,   topic_list,    topic_stats,     topic_names, topic_wait,
        topic_threads, topic_move,    topic_large,   topic_bring,
        topic_relay,   topic_tally,
    };
    Suite *suite = suite_create("conformance");
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        suite_add_tcase(suite, topics[i]());
    conformance_begin();
    int status = program_run(suite);
    conformance_end();
    return status;
}
