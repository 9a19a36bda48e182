import { z } from 'zod';

const line = z.looseObject({
  level: z.string(),
  time: z.string(),
  message: z.string(),
  service: z.string().optional(),
});

/** Turns JSON log lines into one readable line each, for a terminal: time, level, service, sentence, values. */
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
  if (typeof value === 'string') return value;
  const error = z.looseObject({ name: z.string(), message: z.string() }).safeParse(value);
  return error.success ? JSON.stringify(error.data.message) : JSON.stringify(value);
}
