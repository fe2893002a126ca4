/*
 * The loops of col_stream_uncode_int.h with BMI2, whose shifts by a number take one instruction and
 * whatever register it is in.
 */
#include "storage/col_stream_uncode_int.h"

#include <stddef.h>

#if defined(__x86_64__)

#define BMI2 __attribute__((target("bmi2")))

BMI2 static size_t one(struct col_stream_uncode t, size_t bit, uint32_t n, uint64_t *x)
{
	return COL_STREAM_UNCODE_KINDS(col_stream_uncode_frame, t, bit, n, x);
}

BMI2 static void lanes(struct col_stream_uncode t, size_t bits[COL_STREAM_GROUP], uint64_t *x)
{
	COL_STREAM_UNCODE_KINDS(col_stream_uncode_frames, t, bits, x);
}

const struct col_stream_uncode_ops *col_stream_uncode_x86(void)
{
	static const struct col_stream_uncode_ops ops = { one, lanes };

	return __builtin_cpu_supports("bmi2") ? &ops : NULL;
}

#else

const struct col_stream_uncode_ops *col_stream_uncode_x86(void)
{
	return NULL;
}

#endif
