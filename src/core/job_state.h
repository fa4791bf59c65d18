/* job_state.h - which moves an operator may ask for, as data. */
#ifndef PAWL_CORE_JOB_STATE_H
#define PAWL_CORE_JOB_STATE_H

#include "pawl/admin.h"
#include "pawl/storage.h"

/* PAWL_STATE_BITs from which `action` is allowed. */
unsigned action_from_states(enum pawl_action action);

#endif
