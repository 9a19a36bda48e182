import { auditPage } from '@sallyport/protocol';
import { freePorts } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { System, succeeded } from './system.js';

const device = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';

// The tests run in order: the first one opens the entrance, the others use it.
describe('the admin API of the CoAP gateway on the network', () => {
  let system: System;
  let port: number;

  beforeAll(async () => {
    [port = 0] = await freePorts(1);
    system = await System.start({ 'coap.admin.bind.port': String(port) });
  });

  afterAll(() => system.stop());

  const remote = (...words: string[]) =>
    system.sallyport('coap', ...words, '--admin-url', `coap-gateway=https://localhost:${port}`);

  it('opens at level mutual where its port is set', async () => {
    expect((await remote('resources', device)).stderr).not.toBe('');
    expect(succeeded(await system.sallyport('secure', 'mutual'))).toContain('prove coap-gateway');
    expect(succeeded(await remote('resources', device))).toBe('The device has published no resource.\n');
  });

  it('lets an operator change resources, and writes down who it was', async () => {
    const { code, stderr } = await remote('set', device, '/light/1', '{"state":true}', '--ttl', '1');
    expect([code, stderr]).toEqual([1, expect.stringContaining('The device did not come for the command in time.')]);
    const { rows } = await system.admin('coap-gateway').get('/v1/audit?limit=1000', auditPage);
    expect(rows.at(-1)).toMatchObject({
      action: 'resource-update',
      actor: 'admin:operator',
      subject: `uuid:${device}`,
      details: { href: '/light/1' },
    });
  });

  it('lets a viewer look, and nothing more', async () => {
    succeeded(await system.sallyport('config', 'set', 'admin.viewers', 'operator'));
    await system.interrupt();
    await system.resume();
    expect(succeeded(await remote('commands', device))).toBe('No command waits for the device.\n');
    const { code, stderr } = await remote('set', device, '/light/1', '{"state":true}', '--ttl', '1');
    expect([code, stderr]).toEqual([1, expect.stringContaining('This needs the role operator')]);
  });
});
