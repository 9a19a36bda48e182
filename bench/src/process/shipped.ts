import { join } from 'node:path';
import { shippedNodeFlags } from '@sallyport/testkit';

/** The repository, seen from where benchmarks run: bench/dist/bundle. */
export const root = join(import.meta.dirname, '..', '..', '..');

/** The Node flags of a service that has its own process. */
export const serviceFlags = shippedNodeFlags(root, 'sallyport@');
