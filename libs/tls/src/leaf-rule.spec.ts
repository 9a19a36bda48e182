import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { closing, get, identity, mutual, recordingAdmission, Site } from './fixtures/site.js';
import type { LeafRule } from './index.js';

const site = new Site(onTestFinished);

/** Only names of one house. */
const ownHouse: LeafRule = ({ deviceId }) =>
  deviceId.startsWith('house-') ? undefined : { reason: 'not-permitted', detail: `"${deviceId}" is of another house` };

describe("a service's own rule for leaves", () => {
  it('lets pass what it has nothing against', async () => {
    const ca = forgeCa('fleet');
    const { port } = await site.openListener(mutual([ca]), { leafRule: ownHouse });

    const answer = await get(`https://127.0.0.1:${port}/a`, identity(forgeDevice('house-1', ca)));

    expect(answer).toMatchObject({ status: 200, body: 'served /a' });
  });

  it('refuses with its reason before the registry is asked', async () => {
    const ca = forgeCa('fleet');
    const admission = recordingAdmission();
    const { port, refusals } = await site.openListener(mutual([ca]), { leafRule: ownHouse, admission });

    const { status, body } = await get(`https://127.0.0.1:${port}/a`, identity(forgeDevice('barn-1', ca)));

    expect([status, JSON.parse(body).reason]).toEqual([403, 'not-permitted']);
    expect(refusals).toMatchObject([{ reason: 'not-permitted', detail: '"barn-1" is of another house' }]);
    expect(admission.requests).toEqual([]);
  });

  it('cannot let pass what every listener refuses', async () => {
    const { port, firstRefusal } = await site.openListener(mutual([forgeCa('fleet')]), { leafRule: () => undefined });
    const stranger = identity(forgeDevice('house-1', forgeCa('another fleet')));

    await get(`https://127.0.0.1:${port}/a`, stranger).catch(() => undefined);

    expect((await firstRefusal).reason).toBe('issuer-unknown');
  });

  it('that fails closes the connection', async () => {
    const ca = forgeCa('fleet');
    const warnings: string[] = [];
    const { port } = await site.openListener(mutual([ca]), {
      leafRule: () => {
        throw new Error('no answer');
      },
      events: { onRefusal: () => undefined, onWarning: (text) => void warnings.push(text) },
    });

    await expect(get(`https://127.0.0.1:${port}/a`, identity(forgeDevice('house-1', ca)))).rejects.toThrow();
    expect(warnings).toEqual(['a connection ended by an unexpected error']);
  });

  it('that fails when the settings change cuts its session, and spares no other', async () => {
    const [staying, removed] = [forgeCa('staying'), forgeCa('removed')];
    let rule: LeafRule = () => undefined;
    const refusals: string[] = [];
    const warnings: string[] = [];
    const { listener, port } = await site.openListener(mutual([staying, removed]), {
      leafRule: (leaf) => rule(leaf),
      events: {
        onRefusal: ({ reason }) => void refusals.push(reason),
        onWarning: (text) => void warnings.push(text),
      },
    });
    const first = closing(await site.openTls(port, identity(forgeDevice('dev-1', staying))));
    await expect.poll(() => listener.sessions.length).toBe(1);
    const second = closing(await site.openTls(port, identity(forgeDevice('dev-2', removed))));
    await expect.poll(() => listener.sessions.length).toBe(2);

    rule = () => {
      throw new Error('no answer');
    };
    await listener.reload(mutual([staying]));
    await Promise.all([first, second]);

    expect(refusals).toEqual(['not-permitted', 'issuer-unknown']);
    expect(warnings).toEqual(['a session was cut, since its review failed']);
  });

  it('is asked again when the settings change', async () => {
    const ca = forgeCa('fleet');
    let rule: LeafRule = () => undefined;
    const { listener, port, firstRefusal } = await site.openListener(mutual([ca]), { leafRule: (leaf) => rule(leaf) });
    const socket = await site.openTls(port, identity(forgeDevice('barn-1', ca)));
    await expect.poll(() => listener.sessions.length).toBe(1);
    const closed = closing(socket);

    rule = ownHouse;
    await listener.reload(mutual([ca]));
    await closed;

    expect((await firstRefusal).reason).toBe('not-permitted');
  });
});

describe('CAs that change while the listener runs', () => {
  it('cut the sessions of a CA that was removed, also when it was the last one', async () => {
    const [staying, removed] = [forgeCa('staying'), forgeCa('removed')];
    const optional = (...cas: Parameters<typeof mutual>[0]) => mutual(cas, { clientCertificate: 'optional' });
    const { listener, port, refusals } = await site.openListener(optional(staying, removed));
    const kept = await site.openTls(port, identity(forgeDevice('dev-1', staying)));
    const closed = closing(await site.openTls(port, identity(forgeDevice('dev-2', removed))));
    await expect.poll(() => listener.sessions.length).toBe(2);

    await listener.reload(optional(staying));
    await closed;
    expect(listener.sessions.map(({ peer }) => peer?.deviceId)).toEqual(['dev-1']);

    const keptClosed = closing(kept);
    await listener.reload(mutual([], { clientCertificate: 'none' }));
    await keptClosed;
    expect(refusals.map(({ reason }) => reason)).toEqual(['issuer-unknown', 'issuer-unknown']);
  });
});
