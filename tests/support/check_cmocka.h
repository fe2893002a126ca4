/* check_cmocka - the headers cmocka wants before its own, in one place. */
#ifndef TESTS_SUPPORT_CHECK_CMOCKA_H
#define TESTS_SUPPORT_CHECK_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
