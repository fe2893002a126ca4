/* The kernel's struct tcp_info: the C library's ends before the field, and no file can have both. */
#include "proto/net/tcp_rtt.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

uint32_t tcp_rtt_us(int fd)
{
	const size_t least = offsetof(struct tcp_info, tcpi_min_rtt) + sizeof(uint32_t);
	struct tcp_info info;
	socklen_t n = sizeof info;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0 || n < least)
		return UINT32_MAX;
	return info.tcpi_min_rtt;
}
