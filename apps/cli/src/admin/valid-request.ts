import type { z } from 'zod';
import { Failure } from '../failure.js';

/**
 * What is to be sent to an admin API, checked here: the service would refuse it in words of its own.
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
