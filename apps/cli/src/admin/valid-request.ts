import type { z } from 'zod';
import { Failure } from '../failure.js';

/**
 * Checks what is to be sent to an admin API. The service would refuse it too, but without the name of the option.
 *
 * @throws Failure naming the option whose value breaks the rule
 */
export function validRequest<Request extends z.ZodType>(schema: Request, request: unknown): z.infer<Request> {
  const checked = schema.safeParse(request);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const option = String(issue?.path[0] ?? 'option').replace(/(?<=.)Seconds$/, '');
  throw new Failure(`--${option} cannot be used: ${issue?.message}.`, 'Give another value, or leave the option out.');
}
