/*
 * col_text_match_int - verdicts on the rows of a SHAPED page, template by template.
 */
#ifndef STORAGE_COL_TEXT_MATCH_INT_H
#define STORAGE_COL_TEXT_MATCH_INT_H

#include <stdint.h>

#include "storage/col_text_shape_int.h"

enum { COL_TEXT_MATCH_ROWS = 1024 }; /* looked at together */

/* Of a row: ASK has to be rebuilt. */
enum col_text_verdict { COL_TEXT_NO = 0, COL_TEXT_YES = 1, COL_TEXT_ASK = 2 };

/* Whether a rebuilt value is what is looked for. */
struct col_text_question {
	const struct textset *set; /* or */
	const struct needle *needle;
};

/* One byte for each row of each code, in order; codes' rows one after another. */
struct col_text_board {
	uint8_t *cells;
	uint32_t *starts; /* of each code */
	uint32_t *next;   /* row of each code, while all rows are walked */
};

/* Needs the page's counts. -ENOMEM. */
int col_text_match_board(
	struct col_text_shaped *p, enum col_text_verdict verdict, struct col_text_board *out);
/*
 * Begins a walk over all rows, whose codes must have been read; then the cell of each row, of which none
 * may be left out.
 */
void col_text_match_walk(const struct col_text_shaped *p, struct col_text_board *b);
static inline uint8_t *col_text_match_cell(struct col_text_board *b, unsigned code)
{
	return code == COL_TEXT_ABSENT ? NULL : &b->cells[b->next[code]++];
}
static inline uint8_t *col_text_match_cells(const struct col_text_board *b, uint32_t template)
{
	return b->cells + b->starts[COL_TEXT_TEMPLATE + template];
}
/*
 * Asks the residue, then rows whose cells say so, and gives each row of match its verdict. Codes are
 * read as far as they are needed.
 */
int col_text_match_finish(struct col_text_shaped *p, const struct col_text_question *q,
	struct col_text_board *b, enum col_text_verdict absent, uint8_t *match);

/*
 * The same, with all codes read, where all rows of a code have one verdict, but for those of the
 * residue: of_code has a byte for each code.
 */
int col_text_match_templates(struct col_text_shaped *p, const struct col_text_question *q,
	const uint8_t *of_code, uint8_t *match);

#endif
