import { Problem } from '@sallyport/protocol';
import { CsvError, parse } from 'csv-parse/sync';

const largestRecord = 64 * 1024;
// Spreadsheets take a cell that begins with one of these for a formula, and may run it.
const formulaStart = /^[=+\-@\t\r]/;

/**
 * The rows of a CSV text (RFC 4180). Empty lines and a byte order mark are left out, and so are spaces around a cell.
 *
 * @throws Problem `invalid-request`: it is no CSV
 */
export function csvRows(text: string): string[][] {
  try {
    const options = { bom: true, trim: true, relax_column_count: true, skip_empty_lines: true };
    return parse(text, { ...options, max_record_size: largestRecord });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new Problem('invalid-request', `CSV file format invalid: ${error.message}.`, { cause: error });
  }
}

/** One line of a CSV file. A cell that a spreadsheet would take for a formula gets an apostrophe before it. */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map(cellText).join(',')}\r\n`;
}

function cellText(cell: string): string {
  const text = formulaStart.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
