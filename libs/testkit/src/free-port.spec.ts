import { describe, expect, it } from 'vitest';
import { freePort } from './free-port.js';

describe('ports for programs that have to be told theirs', () => {
  it('are given to one program only, also while it has not opened them yet', async () => {
    const ports: number[] = [];
    for (let count = 0; count < 300; count++) ports.push(await freePort());
    expect(new Set(ports).size).toBe(300);
  });
});
