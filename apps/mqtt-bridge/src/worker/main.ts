import { parentPort } from 'node:worker_threads';
import { servePlanes } from './plane-thread.js';

// The thread in which `standalone` runs the data planes of its bridges, apart from everything that serves devices.
if (parentPort === null) throw new Error('This program is a part of Sallyport. It runs in a worker thread.');
servePlanes(parentPort);
