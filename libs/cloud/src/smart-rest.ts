/**
 * A message of Cumulocity's SmartREST: fields with commas between them.
 *
 * ```ts
 * smartRestLine('100', 'press, left', 'thin-edge.io'); // 100,"press, left",thin-edge.io
 * ```
 */
export function smartRestLine(...fields: readonly string[]): string {
  return fields.map(fieldText).join(',');
}

/** In quotes when it holds a separator or begins or ends with a blank, with each quote doubled. */
function fieldText(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
