#include "tests/support/check_cmocka.h"

#include "tests/fault/sim_store.h"

#include "proto/base/err.h"
#include "proto/base/limits.h"

void sim_store_ok(const struct store_kit *kit, int rc, const char *what, uint64_t nth)
{
	if (rc != 0)
		print_error("operation %lu, %s: %s; %s: %s (%s)\n", (unsigned long)nth, what,
			kit->wrong, kit->d.file, kit->d.text, err_name(kit->d.code));
	assert_int_equal(rc, 0);
}

void sim_store_begin(
	struct simfs **fs, struct store_kit *kit, uint64_t seed, unsigned events, unsigned days)
{
	struct store_conf conf = {
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
	};

	*fs = simfs_new(seed);
	conf.vfs = simfs_vfs(*fs);
	store_kit_init(kit, &conf, seed);
	kit->gen.wild = 0;
	sim_store_ok(kit, store_kit_open(kit), "open", 0);
	for (int i = 0; i < 3; i++) {
		sim_store_ok(kit, store_kit_append(kit, events, 24 * days), "append", 0);
		sim_store_ok(kit, store_kit_commit(kit), "commit", 0);
		if (i < 2)
			sim_store_ok(kit, store_kit_seal(kit), "seal", 0);
	}
}

void sim_store_end(struct simfs **fs, struct store_kit *kit)
{
	store_kit_fini(kit);
	assert_int_equal(simfs_fds(*fs), 0);
	simfs_free(fs);
}
