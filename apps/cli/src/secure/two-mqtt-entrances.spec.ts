import { Problem } from '@sallyport/protocol';
import { freePort } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';

/** A site with a second MQTT entrance: setting `mqtt.external.bind.port`. */
async function siteWithTwo(): Promise<FakeSite> {
  const site = await fakeSite();
  await site.run(['config', 'set', 'mqtt.external.bind.port', String(await freePort())]);
  await site.run(['config', 'set', 'mqtt.external.bind.address', '127.0.0.1']);
  return site;
}

const levelsOf = ({ entrances: { mqtt } }: FakeSite) =>
  (['mqtt', 'mqtt.external'] as const).map((group) => mqtt.describe(group).level);

/** Counts the calls of a route of mqtt-broker; the call of this number fails. */
function watch({ admin }: FakeSite, path: string, failing?: number): { readonly calls: number } {
  const { routes } = admin['mqtt-broker'];
  const route = routes.get(path);
  if (route === undefined) throw new Error(`no route ${path}`);
  const seen = { calls: 0 };
  routes.set(path, (request) => {
    seen.calls += 1;
    if (seen.calls === failing) throw new Problem('internal', 'The disk is full. Make room.');
    return route(request);
  });
  return seen;
}

const enrol = 'POST /v1/entrance/enrol';
const reload = 'POST /v1/entrance/reload';

describe('secure on a site with two MQTT entrances', () => {
  it.each(['server', 'mutual'])('takes both to level %s with one certificate', async (level) => {
    await using site = await siteWithTwo();
    const enrolments = watch(site, enrol);

    const { exitCode, stdout } = await site.run(['secure', level]);

    expect(exitCode).toBe(0);
    expect(stdout).toContain('prove mqtt-broker (mqtt)');
    expect(stdout).toContain('prove mqtt-broker (mqtt.external)');
    expect(levelsOf(site)).toEqual([level, level]);
    expect(enrolments.calls).toBe(1);
    for (const key of ['mqtt.bind.cert_file', 'mqtt.external.cert_file'])
      expect((await site.run(['config', 'get', key])).stdout).toBe(
        `${site.directory}/service-certs/mqtt-broker/certificate.pem\n`,
      );
  });

  it('takes both back to plain', async () => {
    await using site = await siteWithTwo();
    await site.run(['secure', 'mutual']);
    expect((await site.run(['secure', 'plain'])).exitCode).toBe(0);
    expect(levelsOf(site)).toEqual(['plain', 'plain']);
  });

  it.each([
    ['plain', 'the first', 'mqtt-broker (mqtt)', 1],
    ['plain', 'the second', 'mqtt-broker (mqtt.external)', 2],
    ['server', 'the first', 'mqtt-broker (mqtt)', 1],
    ['server', 'the second', 'mqtt-broker (mqtt.external)', 2],
  ])('leaves both at level %s when %s cannot reload', async (before, _which, step, failing) => {
    await using site = await siteWithTwo();
    expect((await site.run(['secure', before])).exitCode).toBe(0);
    const settings = await site.run(['config', 'list', '--all']);
    watch(site, reload, failing);

    const { exitCode, stdout, stderr } = await site.run(['secure', 'mutual']);

    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`"reload ${step}" failed: `)]);
    expect(stdout).toContain(`undo   reload mqtt-broker (mqtt): level ${before} again`);
    expect(stdout).toContain(`undo   reload mqtt-broker (mqtt.external): level ${before} again`);
    expect(levelsOf(site)).toEqual([before, before]);
    expect(await site.run(['config', 'list', '--all'])).toEqual(settings);
  });
});
