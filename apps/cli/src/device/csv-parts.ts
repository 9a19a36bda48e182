const mostRows = 200;
const mostCharacters = 150_000;

/**
 * Cuts a CSV text into parts of at most 200 rows, each with the header. A line break in quotes (RFC 4180 §2.6) ends no
 * row.
 *
 * @returns each part, and how many rows of the file come before its first one
 */
export function* csvParts(text: string): Generator<{ readonly csv: string; readonly rowsBefore: number }> {
  const [header = '', ...rows] = [...csvRecords(text)];
  let [from, length] = [0, 0];
  for (const [index, row] of rows.entries()) {
    const isFull = index - from >= mostRows || (index > from && length + row.length > mostCharacters);
    if (isFull) {
      yield { csv: header + rows.slice(from, index).join(''), rowsBefore: from };
      [from, length] = [index, 0];
    }
    length += row.length;
  }
  yield { csv: header + rows.slice(from).join(''), rowsBefore: from };
}

/** The records of a text with their line breaks. */
function* csvRecords(text: string): Generator<string> {
  let [record, isQuoted] = ['', false];
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    record += line;
    // Two quotes in a row, one quoted quote, change nothing.
    if ((line.split('"').length - 1) % 2 === 1) isQuoted = !isQuoted;
    if (isQuoted) continue;
    yield record.endsWith('\n') ? record : `${record}\n`;
    record = '';
  }
  if (record !== '') yield record;
}
