import { chmod } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { hasCode, makeFolder } from '@sallyport/files';
import { mqttRpcServer, type RpcServerOptions } from '@sallyport/mqtt';
import { adminSocketDirectory, adminSocketPath, Problem, type ServiceName } from '@sallyport/protocol';
import { nestLog } from './nest-log.js';
import type { OpenedParts, OpenedRpc } from './opened-parts.js';
import { freeSocketPath, makeSocketPrivate } from './private-socket.js';
import { ProblemFilter } from './problem-filter.js';
import { RuntimeModule } from './runtime.module.js';
import type { ServiceContext } from './service-context.js';
import type { ServiceDefinition } from './service-definition.js';

// The largest admin request is a megabyte that somebody pasted, or a revocation list, in base64.
const adminBodyLimitBytes = 1536 * 1024;

/** A running service: its Nest application, listening on the admin socket and on the RPC topics. */
export class ServiceHost {
  private constructor(
    readonly context: ServiceContext,
    readonly app: NestFastifyApplication,
  ) {}

  /**
   * Starts a service: module, RPC handlers, admin socket, and through the module's hooks its device-facing listeners.
   *
   * @param parts what was opened because the service needs it
   * @throws Problem `conflict`: another process already serves this run directory.
   * @throws Error: a class of the service injects what the definition does not say it needs.
   */
  static async start(
    definition: ServiceDefinition,
    context: ServiceContext,
    parts: OpenedParts = {},
  ): Promise<ServiceHost> {
    const socketPath = adminSocketPath(context.settings.require('run.path'), context.name, process.cwd());
    await prepareSocket(context, socketPath);
    const app = await createApplication(definition, context, parts);
    try {
      await app.startAllMicroservices();
      await app.listen({ path: socketPath });
      await makeSocketPrivate(socketPath);
    } catch (error) {
      // Close what is open already: half a service must not answer.
      await app.close();
      throw isTaken(error, socketPath) ? alreadyRuns(context) : error;
    }
    context.log.info({}, 'service started');
    return new ServiceHost(context, app);
  }

  /** Stops taking work, drains what is under way, and closes what the service opened, its store and session last. */
  async stop(): Promise<void> {
    this.context.readiness.stop();
    await this.app.close();
    this.context.log.info({}, 'service stopped');
  }
}

async function createApplication(
  definition: ServiceDefinition,
  context: ServiceContext,
  parts: OpenedParts,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({ bodyLimit: adminBodyLimitBytes, forceCloseConnections: true });
  const module = RuntimeModule.forService(context, parts, definition.module(context));
  const logger = nestLog(context.log);
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger, abortOnError: false });
  app.useGlobalFilters(new ProblemFilter(context.log));
  if (parts.rpc !== undefined) serveRequests(app, context, parts.rpc);
  return app;
}

/** Hands requests of other services to the message handlers of this one. */
function serveRequests(app: NestFastifyApplication, context: ServiceContext, rpc: OpenedRpc): void {
  const strategy = mqttRpcServer(rpc.connection, rpcServerOptions(context.name, rpc));
  app.connectMicroservice({ strategy });
  // A service that answers no requests has no connection for them.
  if (strategy.getHandlers().size === 0) return;
  context.readiness.add('rpc', () => (strategy.isConnected ? undefined : 'is not connected to the broker'));
}

/** Replicas that use one broker share the requests. In one process there is one of each service, and nothing to share. */
function rpcServerOptions(name: ServiceName, { connection, faults }: OpenedRpc): RpcServerOptions {
  return { ...(connection.kind === 'network' ? { group: name } : {}), onFault: faults.note };
}

/** Makes the run directory private, and the path of the socket free. */
async function prepareSocket(context: ServiceContext, socketPath: string): Promise<void> {
  const directory = adminSocketDirectory(context.settings.require('run.path'));
  await makeFolder(directory, 0o700);
  // A directory that exists already may be open to other users.
  await chmod(directory, 0o700);
  if (!(await freeSocketPath(socketPath))) throw alreadyRuns(context);
}

/** Whether another process took the admin socket after we had looked at it. */
function isTaken(error: unknown, socketPath: string): boolean {
  return hasCode(error, 'EADDRINUSE') && error instanceof Error && 'address' in error && error.address === socketPath;
}

function alreadyRuns({ name }: ServiceContext): Problem {
  return new Problem(
    'conflict',
    `Another ${name} already runs on this configuration directory (its admin socket answers). Stop it first, or start this one with another --config-dir.`,
  );
}
