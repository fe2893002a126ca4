/*
 * col_text_place - rows of a SHAPED page by their place: the n-th of a code, or the one that shows the
 * n-th e-mail address. Of all codes only those of one step of rows are read, where the page says how
 * many each step has.
 *
 * Thread, memory, errors: as the page.
 */
#ifndef STORAGE_COL_TEXT_PLACE_H
#define STORAGE_COL_TEXT_PLACE_H

#include "storage/col_text_shape_int.h"

/* place < rows of the code, of which there are so many after col_text_shape_counts. */
int col_text_place_row(struct col_text_shaped *p, unsigned code, uint32_t place, uint32_t *out);
/* place < emails_count */
int col_text_place_email(struct col_text_shaped *p, uint32_t place, uint32_t *out);

#endif
