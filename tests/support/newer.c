/*
 * newer - makes DATA/format say that a newer version wrote it, checksum and all: for the tests of what
 * an older program then does.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "proto/base/cursor.h"
#include "storage/layout.h"

int main(int argc, char **argv)
{
	uint8_t bytes[LAYOUT_FORMAT_BYTES];
	struct wcur w;
	int fd;

	if (argc != 2 || chdir(argv[1]) < 0)
		return 1;
	fd = open("format", O_RDWR);
	if (fd < 0 || pread(fd, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return 1;
	w = wcur_of(bytes + LAYOUT_HEAD_VERSION, 2);
	wcur_le16(&w, LAYOUT_FORMAT_VERSION + 1);
	w = wcur_of(bytes + LAYOUT_FORMAT_SUM, 8);
	wcur_le64(&w, XXH3_64bits(bytes, LAYOUT_FORMAT_SUM));
	return pwrite(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes ? 0 : 1;
}
