/*
 * sim_store - a store on a simulated disk, of which each operation can be made to fail: some of it is
 * sealed, some is not.
 */
#ifndef TESTS_FAULT_SIM_STORE_H
#define TESTS_FAULT_SIM_STORE_H

#include <stdint.h>

#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

/* Three batches of so many events over the last `days` days, the first two of them sealed. */
void sim_store_begin(
	struct simfs **fs, struct store_kit *kit, uint64_t seed, unsigned events, unsigned days);
void sim_store_end(struct simfs **fs, struct store_kit *kit);
/* Fails the test unless rc is 0; says what was done while the nth operation failed. */
void sim_store_ok(const struct store_kit *kit, int rc, const char *what, uint64_t nth);

#endif
