/* test_breaker.c - the state that all processes of a host share, and the bytes of what
 * is kept for the primary. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "storage/failover/breaker.h"
#include "storage/failover/packet.h"
#include "temp_dir.h"
#include "util/clock.h"

static struct temp_dir folder;
static char path[300];
static struct breaker one, two;
static struct pawl_error err;

static const struct breaker_times short_times = { 1, 1, 0 };

static void open_with(const struct breaker_times *times)
{
    ck_assert_int_eq(breaker_open(&one, path, "redis://a", times, &err), PAWL_OK);
    ck_assert_int_eq(breaker_open(&two, path, "redis://a", times, &err), PAWL_OK);
}

static void open_both(pawl_duration dwell, pawl_duration trial)
{
    open_with(&(struct breaker_times){ dwell, trial, 0 });
}

static void setup(void)
{
    temp_dir_make(&folder);
    snprintf(path, sizeof path, "%s/spool.db.breaker", folder.path);
}

static void teardown(void)
{
    if (one.page)
        breaker_close(&one);
    if (two.page)
        breaker_close(&two);
    temp_dir_remove(&folder);
}

static void sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static void await_probe(void)
{
    for (int i = 0; i < 20000 && !breaker_probe_due(&one); i++)
        sleep_ms(1);
}

/* Another process's breaker knows at once, and one that begins later. */
START_TEST(shared_by_all)
{
    struct breaker later;
    char text[BREAKER_TEXT];
    open_both(10000, 10000);
    ck_assert_int_eq(breaker_state(&two), BREAKER_CLOSED);
    breaker_lost(&one, "it is gone");
    ck_assert(breaker_away(&two));
    ck_assert_str_eq(breaker_text(two.page->reason, text), "it is gone");
    ck_assert_int_eq(breaker_open(&later, path, "redis://a", &short_times, &err), PAWL_OK);
    ck_assert(breaker_away(&later));
    breaker_close(&later);
}
END_TEST

/* Not before the dwell, one probe at a time, a whole trial, then draining, then
 * closed. */
START_TEST(the_way_back)
{
    open_both(30, 40);
    breaker_lost(&one, "gone");
    ck_assert(!breaker_probe_due(&one));
    await_probe();
    ck_assert(!breaker_probe_due(&two)); /* it is one's */
    ck_assert(!breaker_answered(&one, false));
    ck_assert_int_eq(breaker_state(&two), BREAKER_TRIAL);
    ck_assert(!breaker_answered(&one, false));
    sleep_ms(45);
    ck_assert(breaker_answered(&one, false));
    ck_assert_int_eq(breaker_state(&two), BREAKER_DRAINING);
    uint32_t word = breaker_word(&two); /* found empty, and filled at that moment */
    breaker_refilled(&one);
    ck_assert(!breaker_drained(&two, word));
    ck_assert_int_eq(breaker_state(&one), BREAKER_DRAINING);
    ck_assert(breaker_drained(&two, breaker_word(&two)));
    ck_assert_int_eq(breaker_state(&one), BREAKER_CLOSED);
    breaker_refilled(&one);
    ck_assert_int_eq(breaker_state(&two), BREAKER_DRAINING);
}
END_TEST

static atomic_int filled; /* a spool of one job */
static atomic_bool all_done;

static void *drain_it(void *unused)
{
    while (!atomic_load(&all_done)) {
        uint32_t word = breaker_word(&two);
        if (atomic_load(&filled) == 0)
            breaker_drained(&two, word);
        else if ((word & 0xff) == BREAKER_DRAINING)
            atomic_store(&filled, 0);
    }
    return unused;
}

/* Filled at the very moment at which it is found empty: never closed and full. */
START_TEST(filled_while_drained)
{
    pthread_t thread;
    open_both(10, 10);
    ck_assert_int_eq(pthread_create(&thread, NULL, drain_it, NULL), 0);
    int64_t until = clock_mono_ns() + 1000000000; /* it is slow under valgrind */
    for (int i = 0; i < 300000 && (i % 1000 > 0 || clock_mono_ns() < until); i++) {
        atomic_store(&filled, 1);
        breaker_refilled(&one);
        bool closed = breaker_state(&one) == BREAKER_CLOSED;
        ck_assert_msg(!closed || atomic_load(&filled) == 0, "at %d", i);
    }
    atomic_store(&all_done, true);
    pthread_join(thread, NULL);
}
END_TEST

/* A probe that fails ends the trial, and the next begins from its start. */
START_TEST(a_trial_fails)
{
    open_both(20, 200);
    breaker_lost(&one, "gone");
    await_probe();
    breaker_answered(&one, false);
    breaker_lost(&one, "gone again");
    ck_assert_int_eq(breaker_state(&one), BREAKER_OPEN);
    await_probe();
    breaker_answered(&one, false);
    ck_assert_int_eq(breaker_state(&one), BREAKER_TRIAL);
    ck_assert(!breaker_answered(&one, false));
}
END_TEST

/* A probe takes as long as the patience: nobody else makes one meanwhile. In vain it puts
 * off the next for a dwell, unless somebody is in a hurry; answered, for a quarter of
 * the trial. */
START_TEST(one_probe_at_a_time)
{
    open_with(&(struct breaker_times){ 300, 40, 5000 });
    breaker_lost(&one, "gone");
    await_probe();
    sleep_ms(60); /* longer than a quarter of the trial */
    ck_assert(!breaker_probe_due(&two));
    ck_assert_int_gt(breaker_probe_in(&two), 2000);
    breaker_unanswered(&one, false, "gone still");
    ck_assert_int_eq(breaker_state(&one), BREAKER_OPEN);
    ck_assert_int_gt(breaker_probe_in(&two), 100);
    ck_assert_int_le(breaker_probe_in(&two), 300);
    await_probe();
    breaker_unanswered(&one, true, "gone still");
    ck_assert_int_le(breaker_probe_in(&two), 20);
    await_probe();
    ck_assert(!breaker_answered(&one, false));
    ck_assert_int_le(breaker_probe_in(&two), 20);
    await_probe();
    breaker_unanswered(&one, false, "gone again");
    ck_assert_int_eq(breaker_state(&one), BREAKER_OPEN);
    ck_assert_int_le(breaker_probe_in(&two), 20);
}
END_TEST

/* A program that lasts gives a probe all of its patience. One that is about to end gives
 * that to each twelfth, and to one that answered just now. */
START_TEST(how_long_a_probe_takes)
{
    open_with(&(struct breaker_times){ 1, 40, 5000 });
    breaker_lost(&one, "gone");
    for (int i = 1; i <= 24; i++) {
        ck_assert_int_eq(breaker_probe_time(&one, false), 5000);
        ck_assert_int_eq(breaker_probe_time(&two, true), i % 12 ? 400 : 5000);
        breaker_unanswered(&one, true, "gone still");
    }
    breaker_answered(&one, false);
    ck_assert_int_eq(breaker_probe_time(&two, true), 5000);
    breaker_unanswered(&one, true, "gone again");
    ck_assert_int_eq(breaker_probe_time(&two, true), 400);
    breaker_answered(&one, true);
    breaker_lost(&one, "gone"); /* another outage */
    ck_assert_int_eq(atomic_load(&two.page->vain), 0);
    two.times.patience = 300;
    ck_assert_int_eq(breaker_probe_time(&two, true), 300);
}
END_TEST

/* A call of a drain has the patience; of one who is about to end 400 ms, or as many times
 * as long as it took him to connect; and each twelfth in vain all that there is. */
START_TEST(how_long_a_drain_takes)
{
    open_with(&(struct breaker_times){ 1, 40, 1500 });
    breaker_lost(&one, "gone");
    breaker_unanswered(&one, true, "gone still");
    breaker_answered(&one, true);
    for (int i = 1; i <= 24; i++) {
        bool twelfth = i % 12 == 0;
        ck_assert_int_eq(breaker_drain_time(&two, false, 3, 10000), twelfth ? 10000 : 1500);
        ck_assert_int_eq(breaker_drain_time(&two, true, 3, 10000), twelfth ? 10000 : 400);
        breaker_drain_vain(&one);
    }
    ck_assert_int_eq(breaker_drain_time(&one, true, 150, 10000), 600);
    ck_assert_int_eq(breaker_drain_time(&one, true, 900, 10000), 1500);
    ck_assert_int_eq(breaker_drain_time(&one, true, 0, 10000), 1500);
    ck_assert_int_eq(breaker_drain_time(&one, false, 0, 1000), 1000);
    one.times.patience = 300;
    ck_assert_int_eq(breaker_drain_time(&one, true, 3, 10000), 300);
}
END_TEST

/* A link that comes and goes: a hundredth of a minute stands for a minute here, and it
 * comes and goes each hundredth of a second. At most two changes between using the
 * primary and not. */
START_TEST(no_flapping)
{
    int64_t end = clock_mono_ns() + INT64_C(600) * 1000000;
    int changes = 0;
    bool away = false;
    open_both(50, 20);
    while (clock_mono_ns() < end) {
        bool up = clock_mono_ns() / 10000000 % 2 == 0;
        if (!up)
            breaker_lost(&one, "down");
        if (breaker_probe_due(&one)) {
            if (up)
                breaker_answered(&one, false);
            else
                breaker_unanswered(&one, false, "down");
        }
        changes += breaker_away(&one) != away;
        away = breaker_away(&one);
        sleep_ms(1);
    }
    ck_assert_int_ge(changes, 1);
    ck_assert_int_le(changes, 2);
}
END_TEST

/* An outage soon after another lasts longer. */
START_TEST(soon_again)
{
    open_both(20, 0);
    breaker_lost(&one, "gone");
    await_probe();
    ck_assert(breaker_answered(&one, false));
    breaker_lost(&one, "gone");
    ck_assert_int_gt(breaker_probe_in(&one), 150);
    ck_assert_int_le(breaker_probe_in(&one), 12 * 20);
}
END_TEST

/* Times of before a boot lie in the future and hold up nothing. */
START_TEST(after_a_boot)
{
    open_both(1000, 1000);
    breaker_lost(&one, "gone");
    atomic_store(&one.page->not_before, clock_boot_ms() + (INT64_C(1) << 40));
    ck_assert(breaker_probe_due(&one));
}
END_TEST

/* One drains at a time, and who dies lets go. */
START_TEST(one_drains)
{
    open_both(10, 10);
    ck_assert(breaker_drain_begin(&one));
    ck_assert(!breaker_drain_begin(&one));
    ck_assert(!breaker_drain_begin(&two));
    breaker_drain_end(&one);
    ck_assert(breaker_drain_begin(&two));
    breaker_drain_end(&two);
    pid_t child = fork();
    if (child == 0) {
        struct breaker own;
        bool began = breaker_open(&own, path, "", &short_times, NULL) == PAWL_OK &&
                     breaker_drain_begin(&own);
        _exit(began ? 0 : 1);
    }
    int result;
    waitpid(child, &result, 0);
    ck_assert_int_eq(result, 0);
    ck_assert(breaker_drain_begin(&one));
}
END_TEST

/* Who drains and stands still is known to others, and to himself not at all. */
START_TEST(who_stands_still)
{
    int64_t who = -1;
    open_both(10, 10);
    ck_assert_int_eq(breaker_drain_stands(&two, &who), -1);
    ck_assert(breaker_drain_begin(&one));
    sleep_ms(30);
    ck_assert_int_ge(breaker_drain_stands(&two, &who), 30);
    ck_assert_int_eq(who, getpid());
    ck_assert_int_eq(breaker_drain_stands(&one, &who), -1);
    breaker_drain_beat(&one);
    ck_assert_int_lt(breaker_drain_stands(&two, &who), 30);
    breaker_drain_end(&one);
    ck_assert_int_eq(breaker_drain_stands(&two, &who), -1);
}
END_TEST

/* The store that answers is known again, and another one is told. */
START_TEST(who_answers)
{
    struct pawl_session a = { { 1, 2 } }, b = { { 1, 3 } }, none = { { 0 } };
    open_both(10, 10);
    ck_assert(!breaker_meet(&one, &a));
    ck_assert(!breaker_meet(&two, &a));
    ck_assert(!breaker_meet(&two, &none));
    ck_assert(breaker_meet(&two, &b));
    ck_assert(!breaker_meet(&one, &b));
    ck_assert_int_ne(atomic_load(&one.page->replaced), 0);
}
END_TEST

/* A spool is nobody's, and then for good the primary's that came first. */
START_TEST(whose_spool)
{
    struct breaker other;
    char text[BREAKER_TEXT];
    open_both(10, 10);
    ck_assert_int_eq(breaker_open(&other, path, "redis://b", &short_times, &err), PAWL_OK);
    ck_assert_int_eq(breaker_owner(&one), BREAKER_NOBODYS);
    ck_assert(breaker_claim(&one));
    ck_assert(breaker_claim(&two)); /* the same primary */
    ck_assert(!breaker_claim(&other));
    ck_assert_int_eq(breaker_owner(&two), BREAKER_OURS);
    ck_assert_int_eq(breaker_owner(&other), BREAKER_ANOTHERS);
    ck_assert_str_eq(breaker_text(other.page->where, text), "redis://a");
    breaker_close(&other);
}
END_TEST

/* Two that differ only behind what the page has room for are two all the same. Who was
 * killed before he wrote the name leaves it to the next. */
START_TEST(long_names)
{
    char name[2][400], text[BREAKER_TEXT];
    struct breaker long_one, long_two;
    for (int i = 0; i < 2; i++)
        snprintf(name[i], sizeof name[i], "redis-cluster://%0300d, prefix %d:", 0, i);
    ck_assert_int_eq(breaker_open(&long_one, path, name[0], &short_times, &err), PAWL_OK);
    ck_assert_int_eq(breaker_open(&long_two, path, name[1], &short_times, &err), PAWL_OK);
    ck_assert(breaker_claim(&long_one));
    ck_assert_int_eq(breaker_owner(&long_one), BREAKER_OURS);
    ck_assert_int_eq(breaker_owner(&long_two), BREAKER_ANOTHERS);
    breaker_set_text(long_one.page->where, "");
    ck_assert(!breaker_claim(&long_two));
    ck_assert(breaker_claim(&long_one));
    ck_assert_int_eq(strncmp(breaker_text(long_one.page->where, text), name[0],
                             BREAKER_TEXT - 1), 0);
    breaker_close(&long_one);
    breaker_close(&long_two);
}
END_TEST

/* Who uses a spool keeps others from being alone with it, and who is alone from using it.
 * Taken over, it knows nothing any more of the primary before. */
START_TEST(taken_over)
{
    struct pawl_session a = { { 1, 2 } }, b = { { 1, 3 } };
    struct breaker other;
    char text[BREAKER_TEXT];
    open_both(10000, 10);
    ck_assert_int_eq(breaker_open(&other, path, "redis://b", &short_times, &err), PAWL_OK);
    breaker_claim(&one);
    breaker_meet(&one, &a);
    breaker_lost(&one, "gone");
    ck_assert(breaker_use(&one, false));
    ck_assert(breaker_use(&other, false));
    ck_assert(!breaker_use(&other, true));
    breaker_let_go(&one);
    ck_assert(breaker_use(&other, true));
    ck_assert(!breaker_use(&two, false));
    breaker_take_over(&other, false);
    ck_assert(breaker_use(&other, false));
    ck_assert(breaker_use(&two, false));
    ck_assert_int_eq(breaker_owner(&other), BREAKER_OURS);
    ck_assert_int_eq(breaker_owner(&two), BREAKER_ANOTHERS);
    ck_assert_str_eq(breaker_text(other.page->where, text), "redis://b");
    ck_assert_int_eq(breaker_state(&other), BREAKER_CLOSED);
    ck_assert(!breaker_meet(&other, &b)); /* the first that it hears of */
    breaker_close(&other);
}
END_TEST

static int found_count;

static void note_other(void *context, const char *spool, const struct breaker_page *page)
{
    char wanted[300], text[BREAKER_TEXT];
    snprintf(wanted, sizeof wanted, "%s/spool.db", (const char *)context);
    ck_assert_str_eq(spool, wanted);
    ck_assert_str_eq(breaker_text(page->where, text), "redis://a");
    found_count++;
}

/* A spool for another primary is found from beside it, while it is not empty. */
START_TEST(left_behind)
{
    char beside[300];
    open_both(10, 10);
    ck_assert(breaker_claim(&one));
    snprintf(beside, sizeof beside, "%s/mine.db", folder.path);
    breaker_others(beside, note_other, folder.path);
    ck_assert_int_eq(found_count, 0);
    breaker_refilled(&one);
    breaker_others(beside, note_other, folder.path);
    ck_assert_int_eq(found_count, 1);
    snprintf(beside, sizeof beside, "%s/spool.db", folder.path);
    breaker_others(beside, note_other, folder.path); /* that is itself */
    ck_assert_int_eq(found_count, 1);
}
END_TEST

/* A file that is not ours, or of a newer pawl, is refused by name. */
START_TEST(wrong_files)
{
    struct breaker other = { 0 };
    char text[400];
    open_both(10, 10);
    atomic_store(&one.page->format, 77);
    ck_assert_int_eq(breaker_open(&other, path, "", &short_times, &err), PAWL_EFORMAT);
    snprintf(text, sizeof text, "'%s' has format 77, and this pawl knows only 1; use a "
             "newer pawl", path);
    ck_assert_str_eq(err.message, text);
    breaker_close(&other);
    unlink(path);
    ck_assert_int_eq(symlink("/etc/hostname", path), 0);
    ck_assert_int_eq(breaker_open(&other, path, "", &short_times, &err), PAWL_EIO);
    breaker_close(&other);
}
END_TEST

/* --- packets -------------------------------------------------------------------- */

static const struct pawl_new_job whole_job = {
    .queue = "mail", .type = "send", .payload = "a\0b", .payload_size = 3,
    .priority = 7, .delay = 5, .run_at = 99, .ttl = 1000, .max_attempts = 9,
    .backoff = { .kind = PAWL_BACKOFF_LIST, .delay = 3, .cap = 4, .jitter = 50,
                 .delay_count = 2, .delays = { 10, 20 } },
    .timeout = 30, .key = "k", .key_mode = PAWL_KEY_THROTTLE, .key_ttl = 60,
    .group = "g", .id = { { 1, 2, 3 } },
};

static struct pawl_outcome whole_outcome(void)
{
    return (struct pawl_outcome){ .id = { { 7 } }, .epoch = 5, .origin = 1 << 20,
                                  .kind = PAWL_OUTCOME_RETRY, .delay = 2000,
                                  .error = "no", .result = "r\0s", .result_size = 3 };
}

static struct buf write_put(void)
{
    struct pawl_new_job jobs[2] = { whole_job, { .queue = "mail", .priority = 1,
                                                 .max_attempts = 1 } };
    struct pawl_put put = { .queue = "mail", .session = { { 4 } }, .seq = 17,
                            .jobs = jobs, .job_count = 2 };
    struct buf out;
    buf_init(&out, 1 << 20);
    packet_write_put(&out, &put);
    return out;
}

static struct buf write_outcomes(void)
{
    struct pawl_outcome outcomes[2] = { whole_outcome(), { .epoch = 1 } };
    struct pawl_exchange exchange = { .queue = "mail", .owner = { { 3 } },
                                      .outcomes = outcomes, .outcome_count = 2,
                                      .claim_max = 50, .lease = 1,
                                      .retention = { { 1, 2 }, { 3, 4 }, { -1, -1 } } };
    struct buf out;
    buf_init(&out, 1 << 20);
    packet_write_outcomes(&out, &exchange);
    return out;
}

/* A put comes back as it was. */
START_TEST(packet_of_a_put)
{
    struct buf bytes = write_put();
    struct packet packet;
    ck_assert_int_eq(packet_read(bytes.data, bytes.len, &packet, &err), PAWL_OK);
    ck_assert_ptr_null(packet.exchange.queue);
    ck_assert_str_eq(packet.put.queue, "mail");
    ck_assert_uint_eq(packet.put.seq, 17);
    ck_assert_int_eq(packet.put.session.b[0], 4);
    ck_assert_uint_eq(packet.put.job_count, 2);
    const struct pawl_new_job *job = &packet.jobs[0];
    ck_assert_str_eq(job->type, "send");
    ck_assert_mem_eq(job->payload, "a\0b", 3);
    ck_assert_uint_eq(job->payload_size, 3);
    ck_assert_int_eq(job->priority, 7);
    ck_assert_int_eq(job->delay, 5);
    ck_assert_int_eq(job->run_at, 99);
    ck_assert_int_eq(job->ttl, 1000);
    ck_assert_int_eq(job->max_attempts, 9);
    ck_assert_mem_eq(&job->backoff, &whole_job.backoff, sizeof job->backoff);
    ck_assert_int_eq(job->timeout, 30);
    ck_assert_str_eq(job->key, "k");
    ck_assert_int_eq(job->key_mode, PAWL_KEY_THROTTLE);
    ck_assert_int_eq(job->key_ttl, 60);
    ck_assert_str_eq(job->group, "g");
    ck_assert_mem_eq(&job->id, &whole_job.id, sizeof job->id);
    ck_assert_ptr_null(packet.jobs[1].key);
    ck_assert_ptr_null(packet.jobs[1].payload);
    packet_clear(&packet);
    buf_clear(&bytes);
}
END_TEST

/* Outcomes come back as they were. */
START_TEST(packet_of_outcomes)
{
    struct buf bytes = write_outcomes();
    struct packet packet;
    ck_assert_int_eq(packet_read(bytes.data, bytes.len, &packet, &err), PAWL_OK);
    ck_assert_str_eq(packet.exchange.queue, "mail");
    ck_assert_uint_eq(packet.exchange.outcome_count, 2);
    ck_assert_uint_eq(packet.exchange.claim_max, 0);
    ck_assert_int_eq(packet.exchange.owner.b[0], 3);
    ck_assert_int_eq(packet.exchange.retention.dead.count, 4);
    ck_assert_int_eq(packet.exchange.retention.cancelled.age, -1);
    const struct pawl_outcome *o = &packet.outcomes[0];
    ck_assert_uint_eq(o->epoch, 5);
    ck_assert_uint_eq(o->origin, 1 << 20);
    ck_assert_int_eq(o->kind, PAWL_OUTCOME_RETRY);
    ck_assert_int_eq(o->delay, 2000);
    ck_assert_str_eq(o->error, "no");
    ck_assert_mem_eq(o->result, "r\0s", 3);
    ck_assert_ptr_null(packet.outcomes[1].error);
    packet_clear(&packet);
    buf_clear(&bytes);
}
END_TEST

/* Cut anywhere, or with a byte changed, it is refused or read as something: never
 * past its end, and cut never as a whole. */
START_TEST(packet_damaged)
{
    for (int kind = 0; kind < 2; kind++) {
        struct buf bytes = kind ? write_put() : write_outcomes();
        struct packet packet;
        for (size_t n = 0; n < bytes.len; n++) {
            char *cut = malloc(n ? n : 1); /* so that a sanitizer sees its end */
            memcpy(cut, bytes.data, n);
            ck_assert_int_eq(packet_read(cut, n, &packet, &err), PAWL_ECORRUPT);
            free(cut);
        }
        for (size_t at = 0; at < bytes.len; at++)
            for (int bit = 0; bit < 8; bit++) {
                char *copy = malloc(bytes.len);
                memcpy(copy, bytes.data, bytes.len);
                copy[at] = (char)(copy[at] ^ (1 << bit));
                if (packet_read(copy, bytes.len, &packet, &err) == PAWL_OK)
                    packet_clear(&packet);
                free(copy);
            }
        buf_clear(&bytes);
    }
}
END_TEST

/* One of a newer pawl is not taken for a damaged one, whatever follows its version. */
START_TEST(packet_of_a_newer_pawl)
{
    struct packet packet;
    ck_assert_int_eq(packet_read("\2what", 5, &packet, &err), PAWL_EFORMAT);
    ck_assert_str_eq(err.message, "a call that was kept is of a newer pawl; use that one");
    ck_assert_int_eq(packet_read("\1what", 5, &packet, &err), PAWL_ECORRUPT);
    ck_assert_str_eq(err.message, "a call that was kept is damaged");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("breaker");
    TCase *t = tcase_create("breaker");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, shared_by_all);
    tcase_add_test(t, the_way_back);
    tcase_add_test(t, filled_while_drained);
    tcase_add_test(t, a_trial_fails);
    tcase_add_test(t, one_probe_at_a_time);
    tcase_add_test(t, how_long_a_probe_takes);
    tcase_add_test(t, how_long_a_drain_takes);
    tcase_add_test(t, no_flapping);
    tcase_add_test(t, soon_again);
    tcase_add_test(t, after_a_boot);
    tcase_add_test(t, one_drains);
    tcase_add_test(t, who_stands_still);
    tcase_add_test(t, who_answers);
    tcase_add_test(t, whose_spool);
    tcase_add_test(t, long_names);
    tcase_add_test(t, taken_over);
    tcase_add_test(t, left_behind);
    tcase_add_test(t, wrong_files);
    tcase_add_test(t, packet_of_a_put);
    tcase_add_test(t, packet_of_outcomes);
    tcase_add_test(t, packet_damaged);
    tcase_add_test(t, packet_of_a_newer_pawl);
    suite_add_tcase(suite, t);
    return program_run(suite);
}
