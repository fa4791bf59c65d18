/* role.h - what the helper program of the fault tests can be: `actor ROLE
 * NAME=VALUE...`. Each role is a function that runs until it is done or killed;
 * it prints what its test waits for, one line at a time.
 */
#ifndef PAWL_TEST_ROLE_H
#define PAWL_TEST_ROLE_H

#include "pawl.h"

struct role_args {
    char **words; /* NAME=VALUE, NULL at the end */
};

const char *arg_text(const struct role_args *args, const char *name,
                     const char *otherwise);
long arg_number(const struct role_args *args, const char *name, long otherwise);
/* The store of url=. Whatever goes wrong ends the program with a message. */
struct pawl *arg_open(const struct role_args *args);
int arg_history(const struct role_args *args);
/* One line to the test. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

typedef void role_fn(const struct role_args *args);

/* role_traffic.c */
role_fn role_produce; /* queue= threads= count= pause_us= priorities= stubborn=
                         seed= */
role_fn role_work;    /* queue= concurrency= work_us= lease= drain= */
role_fn role_both;    /* both of them on one handle */
/* role_migrate.c */
role_fn role_migrate; /* from= to= action=move|copy|finalize|rollback verify= states=
                         die_at= after= enough= halt= */
/* role_stuck.c */
role_fn role_hold;   /* stops itself inside a write transaction */
role_fn role_zombie; /* a worker whose handler stops its process; look= */
/* role_fork.c */
role_fn role_fork;    /* a child that uses its parent's handle */
role_fn role_parent;  /* a worker whose handler leaves children behind; how= */
role_fn role_tidy;    /* opens and closes handles beside a living one */

/* role_outage.c */
role_fn role_outage_fill;  /* there= here= */
role_fn role_outage_drain; /* there= here= die_at= */
role_fn role_wait_drained;

#endif
