import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundleProgram } from '@sallyport/testkit';
import { z } from 'zod';
import type { Sandbox } from './sandbox.js';

const announcement = z.object({
  api: z.number(),
  mqtt: z.number(),
  caPath: z.string(),
  certPath: z.string(),
  keyPath: z.string(),
});

/** A fake Cumulocity that a machine reaches: its ports, and the files of the device it knows. */
export type MachineTenant = z.infer<typeof announcement>;

/** Starts a tenant inside a machine, which ends with it. Its host is `localhost`. */
export async function startTenant(sandbox: Sandbox, device: string): Promise<MachineTenant> {
  // The machine has a /tmp of its own, and shares the clone.
  const folder = join(import.meta.dirname, '../../dist/tenant');
  const program = await bundleProgram(join(import.meta.dirname, 'tenant.fixture.ts'), folder);
  const child = sandbox.spawn(process.execPath, [program, device], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('the tenant has no output');
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the tenant ended with ${code}`))),
  ]);
  return announcement.parse(JSON.parse(line));
}
