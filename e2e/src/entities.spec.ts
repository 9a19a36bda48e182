import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from './device.js';
import { System, succeeded } from './system.js';

// Every line is a request and what curl prints: the body, then the status. thin-edge.io's own tests compare the same
// texts, to the byte.
const json = ['-H', 'Content-Type: application/json'];

describe('the entity API of thin-edge.io, as curl sees it', () => {
  let system: System;

  beforeAll(async () => {
    system = await System.start();
  });

  afterAll(() => system.stop());

  /** Body and status of a request; the path is below `/te/v1/entities` and sent as it is. */
  async function ask(method: string, path: string, ...args: string[]): Promise<string> {
    const url = `http://localhost:${system.ports.http}/te/v1/entities${path}`;
    const common = ['--silent', '--show-error', '--path-as-is', '-X', method, '-w', '|%{http_code}'];
    return succeeded(await system.run('curl', [...common, ...args, url]));
  }

  const post = (body: string) => ask('POST', '', ...json, '-d', body);
  const put = (path: string, body: string) => ask('PUT', path, ...json, '-d', body);
  const patch = (path: string, body: string) => ask('PATCH', path, ...json, '-d', body);
  const register = (id: string, type: string, parent: string) =>
    post(`{"@topic-id":"${id}","@type":"${type}","@parent":"${parent}"}`);
  const main = '{"@topic-id":"device/main//","@type":"device"}';

  describe('entities', () => {
    it('are registered, shown, listed and removed', async () => {
      const child = '{"@topic-id":"device/child01//","@parent":"device/main//","@type":"child-device"}';
      const body = '{"@topic-id": "device/child01//", "@type": "child-device", "name": "child01"}';
      expect(await post(body)).toBe('{"@topic-id":"device/child01//"}|201');
      expect(await ask('GET', '/device/child01//')).toBe(`${child}|200`);
      expect(await ask('GET', '/device/child01')).toBe(`${child}|200`);
      expect(await ask('GET', '?type=child-device')).toBe(`[${child}]|200`);
      expect(await ask('GET', '/device/child01///twin')).toBe('{"name":"child01"}|200');
      expect(await post(body)).toBe('{"error":"An entity with topic id: device/child01// is already registered"}|409');
      expect(await ask('DELETE', '/device/child01//')).toBe(`[${child}]|200`);
      expect(await ask('DELETE', '/device/child01//')).toBe('|204');
      expect(await ask('GET', '/device/child01//')).toBe(
        '{"error":"Entity with topic id: device/child01// not found"}|404',
      );
    });

    it('show their other fields last', async () => {
      await register('device/x/service/s', 'service', 'device/main//');
      await post('{"@health":"device/x/service/s","@id":"ext","@type":"child-device","@topic-id":"device/fields//"}');
      expect(await ask('GET', '/device/fields//')).toBe(
        '{"@topic-id":"device/fields//","@parent":"device/main//","@type":"child-device","@id":"ext","@health":"device/x/service/s"}|200',
      );
    });

    it('are removed with all below them, their parent first', async () => {
      await register('device/child0//', 'child-device', 'device/main//');
      await register('device/child0/service/service0', 'service', 'device/child0//');
      await register('device/child00//', 'child-device', 'device/child0//');
      expect(await ask('DELETE', '/device/child0//')).toBe(
        '[{"@topic-id":"device/child0//","@parent":"device/main//","@type":"child-device"},' +
          '{"@topic-id":"device/child0/service/service0","@parent":"device/child0//","@type":"service"},' +
          '{"@topic-id":"device/child00//","@parent":"device/child0//","@type":"child-device"}]|200',
      );
    });

    it('can be more than fit into one answer of the registry', async () => {
      await register('device/crowd//', 'child-device', 'device/main//');
      for (let first = 0; first < 600; first += 100) await registerMany('device/crowd//', first, 100);
      const listed = await ask('GET', '?root=device/crowd//');
      expect(listed.match(/"@topic-id"/g)).toHaveLength(601);
      const removed = await ask('DELETE', '/device/crowd//');
      expect(removed).toMatch(/^\[\{"@topic-id":"device\/crowd\/\/"/);
      expect(removed.match(/"@topic-id"/g)).toHaveLength(601);
    });

    /** Registers child devices with one curl, on one connection. */
    async function registerMany(parent: string, first: number, count: number): Promise<void> {
      const url = `http://localhost:${system.ports.http}/te/v1/entities`;
      const bodies = Array.from({ length: count }, (_, index) => {
        const id = `device/crowd-${first + index}//`;
        return `{"@topic-id":"${id}","@type":"child-device","@parent":"${parent}"}`;
      });
      const options = bodies.flatMap((body) => ['--next', '-sS', ...json, '-o', '/dev/null', '-d', body, url]);
      succeeded(await system.run('curl', options.slice(1)));
    }

    it('do not include the main device when they are removed', async () => {
      expect(await ask('DELETE', '/device/main//')).toBe(
        '{"error":"The main device device/main// can not be removed"}|403',
      );
      expect(await ask('GET', '/device/main')).toBe(`${main}|200`);
    });
  });

  describe('a list', () => {
    it.each([
      ['?type=device', `[${main}]|200`],
      ['?root=device/nobody//', '[]|200'],
      ['?parent=device/nobody//', '[]|200'],
      ['?root=&parent=&type=device', `[${main}]|200`],
      ['?type=main', '{"error":"Invalid entity type: main"}|400'],
      ['?root=a/b/c/d/e', '{"error":"An entity topic identifier has at most 4 segments"}|400'],
      [
        '?root=a/b//&parent=c/d//',
        '{"error":"The provided parameters: root and parent are mutually exclusive. Use either one."}|400',
      ],
    ])('with %s answers %s', async (query, answer) => {
      expect(await ask('GET', query)).toBe(answer);
    });
  });

  describe('a registration', () => {
    const syntax = 'Failed to parse the request body as JSON: ';
    const fields = 'Failed to deserialize the JSON body into the target type: ';

    it.each([
      ['{"@topic-id":"device/x"', `${syntax}EOF while parsing an object at line 1 column 23|400`],
      ['{"@topic-id":"device/x"}', `${fields}missing field \`@type\` at line 1 column 24|422`],
      ['{"@type":"service"}', `${fields}missing field \`@topic-id\` at line 1 column 19|422`],
      ['[]', `${fields}invalid type: sequence, expected a map at line 1 column 2|422`],
      [
        '{"@topic-id":"a/b/c/d/e","@type":"service"}',
        `${fields}An entity topic identifier has at most 4 segments at line 1 column 43|422`,
      ],
      [
        '{"@topic-id":"a/b","@type":"service","@id":55}',
        `${fields}invalid type: integer \`55\`, expected a string at line 1 column 46|422`,
      ],
      [
        '{"@topic-id":"device/x//","@type":"child-device","@parent":"device/nobody//"}',
        '{"error":"The specified parent \\"device/nobody//\\" does not exist in the entity store"}|400',
      ],
      [
        '{"@topic-id":"device/x//","@type":"device"}',
        '{"error":"The main device was already registered at topic device/main//"}|400',
      ],
    ])('%s is answered: %s', async (body, answer) => {
      expect(await post(body)).toBe(answer);
    });

    it('must say that it is JSON', async () => {
      const refusal = 'Expected request with `Content-Type: application/json`|415';
      expect(await ask('POST', '', '-H', 'Content-Type: text/plain', '-d', '{}')).toBe(refusal);
      expect(await ask('POST', '', '-H', 'Content-Type:', '-d', '{}')).toBe(refusal);
      const typed = ['-H', 'Content-Type: application/vnd.x+json; charset=utf-8'];
      expect(await ask('POST', '', ...typed, '-d', '{"@type":"service"}')).toMatch(/\|422$/);
    });
  });

  describe('a change', () => {
    beforeAll(async () => {
      await register('device/child_x//', 'child-device', 'device/main//');
      await register('device/child_x/service/service0', 'service', 'device/child_x//');
      await register('device/child_xx//', 'child-device', 'device/child_x//');
      await register('device/child_y//', 'child-device', 'device/main//');
    });

    it('moves an entity, or says whose health stands for it', async () => {
      expect(await patch('/device/child_y//', '{"@parent": "device/child_x//"}')).toBe(
        '{"@topic-id":"device/child_y//","@parent":"device/child_x//","@type":"child-device"}|200',
      );
      expect(await patch('/device/child_y//', '{"@health": "device/child_x/service/service0"}')).toBe(
        '{"@topic-id":"device/child_y//","@parent":"device/child_x//","@type":"child-device","@health":"device/child_x/service/service0"}|200',
      );
    });

    it.each([
      ['/device/child_x//', '{"@parent": "device/child_x//"}', "Entity: 'device/child_x//' can not be its own parent"],
      [
        '/device/child_xx//',
        '{"@parent": "device/child_x/service/service0"}',
        "Entity: 'device/child_x/service/service0' can not be a parent of 'device/child_xx//' because it is a service. Only devices can be parents",
      ],
      ['/device/main//', '{"@parent": "device/child_x//"}', 'The parent of main device can not be updated'],
      [
        '/device/child_x//',
        '{"@parent": "device/child_xx//"}',
        "Entity: 'device/child_xx//' can not be a parent of 'device/child_x//' because 'device/child_xx//' is a descendent of 'device/child_x//'",
      ],
      [
        '/device/child_y//',
        '{"@type": "service"}',
        'unknown field `@type`, expected `@parent` or `@health` at line 1 column 8',
      ],
      [
        '/device/child_y//',
        '{"@parent": "device/unknown//"}',
        'The specified parent \\"device/unknown//\\" does not exist in the entity store',
      ],
      [
        '/device/child_y//',
        '{"@health": "device/unknown//"}',
        'The specified health endpoint: device/unknown// does not exist in the entity store',
      ],
    ])('of %s with %s is refused: %s', async (path, body, error) => {
      expect(await patch(path, body)).toBe(`{"error":"${error}"}|400`);
    });

    it('of an unknown entity is answered 404', async () => {
      expect(await patch('/device/nobody//', '{"@parent": "device/main//"}')).toBe(
        '{"error":"The specified entity: device/nobody// does not exist in the entity store"}|404',
      );
    });
  });

  describe('a twin', () => {
    const twin = '/device/main///twin';

    it('is written and read by fragment', async () => {
      expect(await put(`${twin}/maintenance_window`, '5')).toBe('5|200');
      expect(await put(`${twin}/maintenance_window`, '5')).toBe('5|200');
      expect(await ask('GET', `${twin}/maintenance_window`)).toBe('5|200');
      expect(await ask('DELETE', `${twin}/maintenance_window`)).toBe('|204');
      expect(await ask('DELETE', `${twin}/maintenance_window`)).toBe('|204');
      expect(await ask('GET', `${twin}/maintenance_window`)).toBe(
        '{"error":"Entity twin data for entity: device/main// with fragment key: maintenance_window not found"}|404',
      );
    });

    it('is written and read as a whole', async () => {
      const before = '{"maintainer":"John Doe","maintenance_mode":true,"maintenance_window":5}';
      const after = '{"last_serviced":"2025-01-01","maintainer":"John Doe","maintenance_mode":false}';
      expect(await put(twin, before)).toBe(`${before}|200`);
      expect(await ask('GET', twin)).toBe(`${before}|200`);
      expect(await put(twin, after)).toBe(`${after}|200`);
      expect(await ask('GET', twin)).toBe(`${after}|200`);
      expect(await ask('DELETE', twin)).toBe('|204');
      expect(await ask('GET', twin)).toBe('{}|200');
      expect(await put(twin, '{}')).toBe('{}|200');
    });

    it('takes JSON whatever type the request says', async () => {
      expect(await ask('PUT', `${twin}/x`, '-H', 'Content-Type: text/plain', '-d', 'null')).toBe('null|200');
    });

    it.each([
      ['', 'true', 'invalid type: boolean `true`, expected a map at line 1 column 4'],
      [
        '/multi/path/key',
        'true',
        "Invalid twin key: 'multi/path/key'. Keys that are empty, containing '/' or starting with '@' are not allowed",
      ],
      [
        '/@id',
        'true',
        "Invalid twin key: '@id'. Keys that are empty, containing '/' or starting with '@' are not allowed",
      ],
      ['/test_key', '1.2.3', 'trailing characters at line 1 column 4'],
      ['/test_key', '1-2', 'trailing characters at line 1 column 2'],
      ['/test_key', 'true true', 'trailing characters at line 1 column 6'],
      ['/test_key', '{"a":1}{"b":2}', 'trailing characters at line 1 column 8'],
    ])('refuses %s %s: %s', async (path, body, error) => {
      expect(await put(twin + path, body)).toBe(`{"error":"${error}"}|400`);
    });

    it('belongs to an entity that exists', async () => {
      expect(await ask('GET', '/device/bad-child///twin')).toBe(
        '{"error":"The specified entity: device/bad-child// does not exist in the entity store"}|404',
      );
    });

    it('takes a body of 1 MiB, and no byte more', async () => {
      const path = join(system.directory, 'payload.txt');
      const longest = 1024 * 1024;
      await writeFile(path, `"${'x'.repeat(longest - 1)}"`);
      const tooLong = 'Failed to buffer the request body: length limit exceeded|413';
      expect(await put(`${twin}/key`, `@${path}`)).toBe(tooLong);
      expect(await ask('PUT', `${twin}/key`, '-H', 'Transfer-Encoding: chunked', '--data-binary', `@${path}`)).toBe(
        tooLong,
      );
      await writeFile(path, `"${'x'.repeat(1_000_000)}"`);
      expect(await put(`${twin}/key`, `@${path}`)).toMatch(/x"\|200$/);
      expect(await ask('DELETE', `${twin}/key`)).toBe('|204');
    });
  });

  describe('an address', () => {
    it.each([
      ['GET', '/device', '{"error":"Not Found"}|404'],
      ['GET', '/', '|404'],
      ['GET', '/device/bad-child///cmd/123', '{"error":"Actions on channel: cmd are not supported"}|404'],
      ['GET', '/device/main///', '{"error":"Actions on channel:  are not supported"}|404'],
      ['GET', '/device/+//', '{"error":"An entity topic identifier must be a valid MQTT topic"}|400'],
      ['GET', '/device%2Fmain%2F%2F', `${main}|200`],
      ['PUT', '/device/main//', '{"error":"Method Not Allowed"}|405'],
      ['PATCH', '/device/main///twin', '{"error":"Method Not Allowed"}|405'],
      ['PATCH', '/device/main///twin/x', '{"error":"Method Not Allowed"}|405'],
      ['PUT', '/device/main///config', '{"error":"Method Not Allowed"}|405'],
      ['DELETE', '/device/main///config/x', '{"error":"Method Not Allowed"}|405'],
      ['POST', '/device/main//', '|405'],
      ['DELETE', '', '|405'],
      ['GET', '/device/main///config', '{}|200'],
      [
        'GET',
        '/device/main///config/x',
        '{"error":"Entity config for entity: device/main// with key: x not found"}|404',
      ],
    ])('%s %s answers %s', async (method, path, answer) => {
      expect(await ask(method, path)).toBe(answer);
    });

    it('names the methods it knows, and the type of what it answers', async () => {
      expect(await ask('DELETE', '', '-i')).toMatch(/^Allow: POST,GET,HEAD\r$/m);
      expect(await ask('OPTIONS', '/device/main//', '-i')).toMatch(/^Allow: GET,HEAD,PUT,PATCH,DELETE\r$/m);
      expect(await ask('GET', '/device/main//', '-i')).toMatch(/^Content-Type: application\/json\r$/m);
      expect(await ask('POST', '', '-i')).toMatch(/^Content-Type: text\/plain; charset=utf-8\r$/m);
    });
  });

  describe('at level mutual', () => {
    let child: Device;
    let other: Device;

    beforeAll(async () => {
      child = await system.enrol('child10');
      other = await system.enrol('child11');
      succeeded(await system.sallyport('secure', 'mutual'));
    });

    async function askAs(device: Device, method: string, path: string, ...args: string[]): Promise<string> {
      const url = `https://localhost:${system.ports.http}/te/v1/entities${path}`;
      return succeeded(await system.run('curl', [...device.curl, '-X', method, '-w', '|%{http_code}', ...args, url]));
    }

    const registrationOf = (device: Device) => [
      ...json,
      '-d',
      `{"@topic-id":"device/${device.name}//","@type":"child-device"}`,
    ];

    it('a child registers and changes itself, and reads all', async () => {
      expect(await askAs(child, 'POST', '', ...registrationOf(child))).toBe('{"@topic-id":"device/child10//"}|201');
      expect(await askAs(child, 'PUT', '/device/child10///twin/x', '-d', '1')).toBe('1|200');
      expect(await askAs(other, 'GET', '/device/child10///twin/x')).toBe('1|200');
    });

    it('a child changes nobody else', async () => {
      const refusal =
        '{"error":"child11 may change device/child11 and what is below it, but not device/child10//."}|403';
      expect(await askAs(other, 'PUT', '/device/child10///twin/x', '-d', '2')).toBe(refusal);
      expect(await askAs(other, 'DELETE', '/device/child10//')).toBe(refusal);
      expect(await askAs(other, 'PATCH', '/device/child10//', '-d', '{"@health":null}')).toBe(refusal);
      expect(await askAs(other, 'POST', '', ...registrationOf(child))).toBe(refusal);
    });
  });
});
