import type { TestCa } from '@sallyport/testkit';
import { type System, succeeded } from './system.js';

/** Lets the devices of a CA register themselves at the connector. */
export async function admitFleet(system: System, { certPath }: TestCa): Promise<void> {
  succeeded(
    await system.sallyport('connector', 'provisioning', '--self', 'on', '--auth', 'certificate', '--pki', 'on'),
  );
  succeeded(await system.sallyport('client-ca', 'add', certPath));
  succeeded(await system.sallyport('connector', 'save', '--yes'));
}
