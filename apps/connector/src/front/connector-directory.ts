import {
  type ConnectorDirectory as Answer,
  type ConnectorName,
  type ConnectorView,
  defaultConnector,
} from '@sallyport/protocol';

/** Which connectors there are, as the registry last told. */
export class ConnectorDirectory {
  private readonly connectorByName: ReadonlyMap<string, ConnectorView>;
  private readonly nameByDomain: ReadonlyMap<string, ConnectorName>;

  private constructor(
    readonly version: number,
    connectors: readonly ConnectorView[],
  ) {
    this.connectorByName = new Map(connectors.map((view) => [view.name, view]));
    this.nameByDomain = new Map(
      connectors.flatMap(({ name, settings }) => settings.domains.map((domain) => [domain, name])),
    );
  }

  static of({ version, connectors }: Answer): ConnectorDirectory {
    return new ConnectorDirectory(version, connectors);
  }

  get all(): readonly ConnectorView[] {
    return [...this.connectorByName.values()];
  }

  get domains(): readonly string[] {
    return [...this.nameByDomain.keys()].toSorted();
  }

  named(name: ConnectorName): ConnectorView | undefined {
    return this.connectorByName.get(name);
  }

  /** The connector of a host, in lower case. A host that no connector names is one of the default connector. */
  connectorOf(host: string): ConnectorName {
    return this.nameByDomain.get(host) ?? defaultConnector;
  }
}
