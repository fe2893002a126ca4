/*
 * col_token_int - numbers of tokens from their digits, shared by the files of col_token.
 */
#ifndef STORAGE_COL_TOKEN_INT_H
#define STORAGE_COL_TOKEN_INT_H

#include <stdbool.h>
#include <stdint.h>

/* n decimal digits, 19 at most. */
uint64_t col_token_decimal(const uint8_t *p, uint32_t n);
/* The number of an INT; leading zeroes are counted above it. false: too many of either. */
bool col_token_int(const uint8_t *p, uint32_t n, uint64_t *out);
/* n hex digits of one case, 64 at most, sixteen to a number, the first ones first. */
bool col_token_hex(const uint8_t *p, uint32_t n, uint64_t *out, unsigned *out_upper);
/* 36 bytes. */
bool col_token_uuid(const uint8_t *p, uint64_t *out, unsigned *out_upper);
/* An address written the short way at p[s]: its end, 0: none. */
uint32_t col_token_ip6(const uint8_t *p, uint32_t n, uint32_t s, uint64_t *out);

#endif
