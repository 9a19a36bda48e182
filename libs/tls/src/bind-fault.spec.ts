import { expect, it } from 'vitest';
import { bindFault } from './bind-fault.js';

it.each([
  [
    'EACCES',
    'only root may use ports as low as this. Choose a higher port, or permit it on this machine: sudo sysctl net.ipv4.ip_unprivileged_port_start=443',
  ],
  ['EADDRNOTAVAIL', 'this machine does not have that address. Choose one that "ip address" shows.'],
  ['EADDRINUSE', 'listen EADDRINUSE. Stop the program that holds it, or choose another address.'],
  ['EIO', 'listen EIO. Choose another address.'],
])('a port that cannot be opened comes with the remedy that fits: %s', (code, text) => {
  expect(bindFault(Object.assign(new Error(`listen ${code}`), { code }), 443)).toBe(text);
});
