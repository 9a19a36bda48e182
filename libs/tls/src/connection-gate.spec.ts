import { describe, expect, it } from 'vitest';
import { ConnectionGate } from './connection-gate.js';
import { defaultLimits } from './limits.js';

const limits = { ...defaultLimits, connectionsPerAddress: 2, concurrentHandshakes: 4 };
const gate = () => new ConnectionGate(limits);

describe('places at an entrance', () => {
  it('are counted for an IPv6 network, whatever address in it is used', () => {
    const full = gate();
    expect(['2001:db8::1', '2001:db8::2', '2001:db8::3'].map((address) => full.enter(address))).toEqual([
      true,
      true,
      false,
    ]);
    expect(full.enter('2001:db8:0:1::1')).toBe(true);
  });

  it('are free again when any connection of the network has gone', () => {
    const full = gate();
    for (const address of ['2001:db8::1', '2001:db8::2']) full.enter(address);
    full.leave('2001:db8::2');
    expect(full.enter('2001:db8::3')).toBe(true);
  });

  it('are counted for handshakes in the same way', () => {
    const full = gate();
    expect(['2001:db8::1', '2001:db8::2', '2001:db8::3'].map((address) => full.beginHandshake(address))).toEqual([
      true,
      true,
      false,
    ]);
  });
});
