import { unprintable } from '@sallyport/protocol';
import { z } from 'zod';

const line = z.looseObject({
  level: z.string(),
  time: z.string(),
  message: z.string(),
  service: z.string().optional(),
});

/**
 * Turns JSON log lines into one readable line each, for a terminal: time, level, service, sentence, values. What a peer
 * chose, such as a topic, can neither add a line nor command the terminal.
 */
export function terminalLines(output: { write(text: string): unknown }): { write(json: string): void } {
  return {
    write: (json) => {
      const { level, time, message, service, ...fields } = line.parse(JSON.parse(json));
      const values = Object.entries(fields).map(([name, value]) => `${name}=${readable(value)}`);
      output.write(`${[time.slice(11, 19), level.padEnd(5), service ?? '-', message, ...values].join(' ')}\n`);
    },
  };
}

/** An error's own sentence; its stack is in the JSON form only. */
function readable(value: unknown): string {
  const error = z.looseObject({ name: z.string(), message: z.string() }).safeParse(value);
  if (typeof value === 'string' && !/[\s"\p{C}]/u.test(value)) return value;
  return JSON.stringify(error.success ? error.data.message : value).replace(unprintable, escaped);
}

/** As JSON escapes it: one `\uXXXX` for each UTF-16 unit. */
function escaped(character: string): string {
  const units = character.split('').map((unit) => unit.charCodeAt(0).toString(16).padStart(4, '0'));
  return units.map((unit) => `\\u${unit}`).join('');
}
