/**
 * Owns which topics of a virtual cluster are the broker's own: its tenants read them where a rule
 * says so, and only the broker makes, writes, alters and deletes them.
 *
 * Invariant: a name that would collide with such a topic is reserved too (names that differ in '.'
 * and '_' alone are one to Kafka), or a tenant could keep the broker from making it.
 */

const foldedName = (name: string): string => name.replaceAll('.', '_');

export class BrokerTopics {
  static readonly NONE = new BrokerTopics([]);
  readonly #names: ReadonlySet<string>;
  readonly #folded: ReadonlySet<string>;

  /** Visible names, the same in every tenant. */
  constructor(names: readonly string[]) {
    this.#names = new Set(names);
    this.#folded = new Set(names.map(foldedName));
  }

  /** Whether the topic, if there is one of this name, is the broker's. */
  has(visibleName: string): boolean {
    return this.#names.has(visibleName);
  }

  /** Whether nobody but the broker may make a topic of this name. */
  reserves(visibleName: string): boolean {
    return this.#folded.has(foldedName(visibleName));
  }
}
