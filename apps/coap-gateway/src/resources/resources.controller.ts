import { Body, Controller, Param, Query } from '@nestjs/common';
import { type AuditEntry, AuditLog } from '@sallyport/audit';
import { Actor } from '@sallyport/entrance';
import {
  type CommandKind,
  type CommandQuery,
  coapResourceRoutes,
  commandId,
  commandQuery,
  deviceId,
  isoMicros,
  type OcfUuid,
  ocfDeviceId,
  ocfUuidOf,
  type PendingCommands,
  Problem,
  type ResourceAnswer,
  type ResourceHref,
  type ResourceList,
  resourceHref,
  retrieveQuery,
} from '@sallyport/protocol';
import { Clock, Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { answerFrom } from './admin-answer.js';
import { type StoredBody, storedBodyOf } from './commands/command.js';
import { Commands } from './commands/commands.js';
import { LinkDirectory } from './links/link-directory.js';
import { contentOf } from './values/content.js';
import { KeptValues } from './values/kept-values.js';
import { TwinSync } from './values/twin-sync.js';

/** How long a request waits for its command. Clients of the admin API wait 15 s for an answer. */
const longestWaitMs = 12_000;

const ofDevice = z.object({ id: deviceId.transform(ocfUuidFrom) });
/** The router names a parameter over several segments `*`. */
const ofResource = z
  .object({ id: ofDevice.shape.id, '*': z.string() })
  .transform(({ id, '*': path }) => ({ id, href: resourceHref.parse(`/${path}`) }));
const ofCommand = z.object({ id: ofDevice.shape.id, command: commandId });
const anyJson = z.json();

interface Order {
  readonly device: OcfUuid;
  readonly href: ResourceHref;
  readonly kind: CommandKind;
  readonly query: CommandQuery;
  readonly actor: string;
  readonly body?: StoredBody;
}

/** Admin API of the resources of OCF devices. */
@Controller()
export class ResourcesController {
  constructor(
    private readonly links: LinkDirectory,
    private readonly commands: Commands,
    private readonly values: KeptValues,
    private readonly sync: TwinSync,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  @Serves(coapResourceRoutes.listResources)
  async list(@Param() path: unknown): Promise<ResourceList> {
    const { id } = ofDevice.parse(path);
    const [links, keptValue, sync] = await Promise.all([
      this.links.linksOf(id),
      this.values.all(ocfDeviceId(id)),
      this.sync.of(id),
    ]);
    const resources = links.map((link) => {
      const value = keptValue(link.href);
      if (value === undefined) return link;
      return { ...link, at: isoMicros(value.atMicros), content: anyJson.parse(value.content) };
    });
    // A device without resources has told everything.
    return { sync: sync === 'syncing' && links.length === 0 ? 'in-sync' : sync, resources };
  }

  @Serves(coapResourceRoutes.retrieveResource)
  async retrieve(@Param() path: unknown, @Query() query: unknown, @Actor() actor: string): Promise<ResourceAnswer> {
    const { id, href } = ofResource.parse(path);
    const { twin, ...rest } = retrieveQuery.parse(query);
    if (twin === 'true') return this.kept(id, href);
    return this.run({ device: id, href, kind: 'retrieve', query: rest, actor });
  }

  @Serves(coapResourceRoutes.updateResource)
  update(
    @Param() path: unknown,
    @Query() query: unknown,
    @Body() body: unknown,
    @Actor() actor: string,
  ): Promise<ResourceAnswer> {
    return this.change('update', { path, query, body, actor });
  }

  @Serves(coapResourceRoutes.createResource)
  create(
    @Param() path: unknown,
    @Query() query: unknown,
    @Body() body: unknown,
    @Actor() actor: string,
  ): Promise<ResourceAnswer> {
    return this.change('create', { path, query, body, actor });
  }

  @Serves(coapResourceRoutes.deleteResource)
  remove(@Param() path: unknown, @Query() query: unknown, @Actor() actor: string): Promise<ResourceAnswer> {
    return this.change('delete', { path, query, actor });
  }

  @Serves(coapResourceRoutes.listCommands)
  async pending(@Param() path: unknown): Promise<PendingCommands> {
    const commands = await this.commands.pendingOf(ofDevice.parse(path).id);
    return {
      commands: commands.map(({ id, kind, href, createdAtMs, validUntilMs, sentOn, actor }) => ({
        id,
        kind,
        href,
        state: sentOn === undefined ? 'waiting' : 'running',
        createdAt: isoOf(createdAtMs),
        ...(validUntilMs === undefined ? {} : { validUntil: isoOf(validUntilMs) }),
        actor,
      })),
    };
  }

  @Serves(coapResourceRoutes.cancelCommand)
  async cancel(@Param() path: unknown, @Actor() actor: string): Promise<void> {
    const { id, command } = ofCommand.parse(path);
    const { kind, href } = await this.commands.cancel(id, command);
    await this.record({ actor, action: 'command-cancelled', subject: ocfDeviceId(id), details: { kind, href } });
  }

  private async change(kind: Exclude<CommandKind, 'retrieve'>, request: ChangeRequest): Promise<ResourceAnswer> {
    const { actor } = request;
    const { id: device, href } = ofResource.parse(request.path);
    const query = commandQuery.parse(request.query);
    const body = request.body === undefined ? {} : { body: bodyOf(request.body) };
    await this.record({ actor, action: `resource-${kind}`, subject: ocfDeviceId(device), details: { href } });
    return this.run({ device, href, kind, query, actor, ...body });
  }

  private async run({ query, ...order }: Order): Promise<ResourceAnswer> {
    const { ttl: ttlSeconds, resourceInterface } = query;
    const named = resourceInterface === undefined ? {} : { resourceInterface };
    const command = await this.commands.submit({ ...order, ...named, ttlSeconds });
    const wait = await this.commands.outcomeOf(command, { deadlineMs: longestWaitMs });
    return answerFrom(command, wait, this.clock.now());
  }

  private async kept(device: OcfUuid, href: ResourceHref): Promise<ResourceAnswer> {
    const isPublished = (await this.links.find(device, href)) !== undefined;
    const value = isPublished ? await this.values.read(ocfDeviceId(device), href) : undefined;
    if (value === undefined)
      throw new Problem('not-found', `No value of ${href} is kept. Ask the device: leave out "twin".`);
    const content = anyJson.parse(value.content);
    return { href, status: 'done', source: 'twin', at: isoMicros(value.atMicros), content };
  }

  /** Before the change, so that there is no change without its row. Never the values. */
  private async record(entry: Omit<AuditEntry, 'outcome'>): Promise<void> {
    await this.audit.commit({ operations: [], entries: [{ ...entry, outcome: 'succeeded' }] });
  }
}

interface ChangeRequest {
  readonly path: unknown;
  readonly query: unknown;
  readonly body?: unknown;
  readonly actor: string;
}

/** @throws Problem `invalid-request`: it is not JSON that can be sent */
function bodyOf(body: unknown): StoredBody {
  return storedBodyOf(contentOf(anyJson.parse(body)));
}

function isoOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function ocfUuidFrom(name: string): OcfUuid {
  const device = ocfUuidOf(name);
  if (device !== undefined) return device;
  throw new Problem('not-found', `"${name}" is no OCF device: those are named uuid:<uuid>.`);
}
