import { join } from 'node:path';
import { shippedNodeFlags } from '@sallyport/testkit';

/** The repository, seen from where benchmarks run: bench/dist/bundle. */
export const root = join(import.meta.dirname, '..', '..', '..');

/** The flags a service gets that has a process of its own. */
export const serviceFlags = shippedNodeFlags(root, 'sallyport@');
