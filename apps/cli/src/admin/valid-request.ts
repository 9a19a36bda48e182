import type { z } from 'zod';
import { UsageFault } from '../failure.js';

/**
 * Checks what is to be sent to an admin API. The service would refuse it too, but without the name of the option.
 *
 * @throws UsageFault naming the option whose value breaks the rule
 */
export function validRequest<Request extends z.ZodType>(schema: Request, request: unknown): z.infer<Request> {
  const checked = schema.safeParse(request);
  if (checked.success) return checked.data;
  const [{ path: [field = 'option'] = [], message = 'cannot be used' } = {}] = checked.error.issues;
  throw new UsageFault(`Option ${optionOf(String(field))} ${inItsUnit(String(field), message)}.`, remedy);
}

const remedy = 'Give another value, or leave the option out.';

function optionOf(field: string): string {
  return `--${field.replace(/(?<=.)Seconds$/, '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Durations are typed with their unit, and sent in seconds. */
function inItsUnit(field: string, rule: string): string {
  return field.endsWith('Seconds') ? rule.replace(/\d+/g, (seconds) => `${seconds}s`) : rule;
}
