/* sqlite_put.h - what put and bring_in have in common: a call of many jobs that
 * may be sent again and must store nothing twice, and the place of each job.
 */
#ifndef PAWL_SQLITE_PUT_H
#define PAWL_SQLITE_PUT_H

#include "sqlite_call.h"

struct put_step {
    struct sqlite_call call;
    const struct pawl_put *in;
    /* Store in->jobs[i], whose id is nowhere yet, at this free place; or say in
     * *result, which is OK, why it is not stored. */
    enum pawl_status (*store)(struct put_step *step, size_t i, int64_t place,
                              struct pawl_put_result *result);
    /* Write the replies down even if all are OK: then the number alone tells a
     * repeated call, whatever jobs it comes with. */
    bool keep_replies;
    int64_t session; /* its number; from put_step_run, as the next */
    int64_t last;    /* no place after this one is taken */
};

/* Answer a call that was made before, else store its jobs; inside call_begin ..
 * call_end. */
enum pawl_status put_step_run(struct put_step *step,
                              struct pawl_put_result *results);
/* A payload that is too large for the row. */
enum pawl_status put_step_payload(struct put_step *step, int64_t place,
                                  const struct pawl_new_job *job);

#endif
