import { describe, expect, it } from 'vitest';
import { violations } from './boundaries.mjs';

const project = (type) => ({ data: { tags: type === undefined ? [] : [`type:${type}`] } });
const noTests = () => [];

describe('module boundaries', () => {
  it('lets a service use a library', () => {
    const nodes = { agent: project('service'), tls: project('domain') };
    expect(violations({ nodes, dependencies: { agent: [{ target: 'tls' }] } }, noTests)).toEqual([]);
  });

  it.each([
    ['a service that imports another service', 'service', 'service'],
    ['a library that imports a service', 'domain', 'service'],
    ['a contract that imports a library', 'contract', 'domain'],
    ['a store adapter that imports the runtime', 'adapter', 'platform'],
    ['an end-to-end test that imports a service', 'e2e', 'service'],
    ['a product that imports the test kit', 'service', 'testing'],
    ['a product that imports a program for developers', 'composer', 'tool'],
    ['a program for developers that imports a service', 'tool', 'service'],
  ])('reports %s', (_, from, to) => {
    const nodes = { a: project(from), b: project(to) };
    const found = violations({ nodes, dependencies: { a: [{ target: 'b' }] } }, noTests);
    expect(found).toEqual([`a (type:${from}) -> b (type:${to})`]);
  });

  it('lets a project use the test kit for its tests', () => {
    const nodes = { a: project('service'), kit: project('testing') };
    expect(violations({ nodes, dependencies: { a: [{ target: 'kit' }] } }, () => ['kit'])).toEqual([]);
  });

  it('lets a library use the embedded broker for its tests, and for nothing else', () => {
    const nodes = { mqtt: project('adapter'), '@sallyport/embedded-broker': project('platform') };
    const graph = { nodes, dependencies: { mqtt: [{ target: '@sallyport/embedded-broker' }] } };
    expect(violations(graph, () => ['@sallyport/embedded-broker'])).toEqual([]);
    expect(violations(graph, noTests)).toEqual(['mqtt (type:adapter) -> @sallyport/embedded-broker (type:platform)']);
  });

  it('reports a project nobody gave a type', () => {
    const nodes = { a: project(), b: project('contract') };
    const found = violations({ nodes, dependencies: { a: [{ target: 'b' }] } }, noTests);
    expect(found).toEqual(['a (no type) -> b (type:contract)']);
  });

  it('reports a package imported outside its home, for tests too', () => {
    const nodes = { '@sallyport/agent': project('service') };
    const dependencies = { '@sallyport/agent': [{ target: 'npm:ioredis' }] };
    for (const devDependencies of [[], ['ioredis']])
      expect(violations({ nodes, dependencies }, () => devDependencies)).toEqual([
        '@sallyport/agent -> npm:ioredis: only @sallyport/store may',
      ]);
  });
});
