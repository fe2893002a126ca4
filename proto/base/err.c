#include "proto/base/err.h"

#include <string.h>

const char *err_name(int code)
{
	const char *name;

	switch (code) {
#define ERR_CASE(name, number, text) \
	case number:                 \
		return #name;
		ERR_TABLE(ERR_CASE)
#undef ERR_CASE
	case 0:
		return "OK";
	default:
		name = code < 0 && code >= -4095 ? strerrorname_np(-code) : NULL;
		return name ? name : "E?";
	}
}

const char *err_text(int code)
{
	const char *text;

	switch (code) {
#define ERR_CASE(name, number, text) \
	case number:                 \
		return text;
		ERR_TABLE(ERR_CASE)
#undef ERR_CASE
	case 0:
		return "done";
	default:
		text = code < 0 && code >= -4095 ? strerrordesc_np(-code) : NULL;
		return text ? text : "unknown error";
	}
}
