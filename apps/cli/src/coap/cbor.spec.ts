import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

describe('coap cbor', () => {
  it('writes JSON as CBOR, and nothing else', async () => {
    await using site = await fakeSite();
    const { exitCode, stdout } = await site.run(['coap', 'cbor', '{"expiresin": 60}']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '\ufffdiexpiresin\u0018<' });
  });

  it('reads JSON from standard input, for codes and tokens', async () => {
    await using site = await fakeSite();
    const { exitCode, stdout } = await site.run(['coap', 'cbor', '-'], { stdin: '{"expiresin":\n 60}\n' });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '\ufffdiexpiresin\u0018<' });
  });

  it('prints CBOR as JSON, byte strings in base64', async () => {
    await using site = await fakeSite();
    await writeFile(join(site.directory, 'answer.cbor'), Buffer.from('a2616100616242ffff', 'hex'));
    const { stdout } = await site.run(['coap', 'cbor', '--decode', 'answer.cbor'], { cwd: site.directory });
    expect(stdout).toBe('{"a":0,"b":{"$bytes":"//8="}}\n');
  });

  it('says what to do with a text that is no JSON', async () => {
    await using site = await fakeSite();
    const { exitCode, stderr } = await site.run(['coap', 'cbor', '{login: true}']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('That is not JSON');
    expect(stderr).toContain('Names and texts need double quotes.');
  });

  it('says where to look when an answer is a text', async () => {
    await using site = await fakeSite();
    await writeFile(join(site.directory, 'answer.cbor'), 'invalid device id');
    const { exitCode, stderr } = await site.run(['coap', 'cbor', '--decode', 'answer.cbor'], { cwd: site.directory });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('answer.cbor is not CBOR');
  });
});
