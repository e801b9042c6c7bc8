/** Threat: who was banned stays connected, or comes back before the ban ends. */
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { runInProcess } from '../cli/run-cli.ts';
import { isServed, pointCommandsAt, run, seenBy } from '../tools/ban-scene.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { scramLogin } from '../tools/scram-login.ts';
import { upsertScramUser } from '../tools/scram-users.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const WITHIN_MS = 1000;
const PASSWORD = 'correct horse battery staple';
const from = (localAddress: string) => ({ localAddress, servername: 'localhost' });

describeRequiring(['built-broker'], 'who was banned', () => {
  const fixture = useBroker();
  const clients: WireClient[] = [];
  beforeAll(() => pointCommandsAt(fixture.broker));
  afterAll(() => {
    vi.unstubAllEnvs();
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  const open = async (name: string, address = '127.0.0.1', tenant = 'acme') => {
    const client = await WireClient.connect(
      fixture.broker.port,
      fixture.who(tenant, name),
      from(address),
    ).catch(() => null);
    if (client !== null) clients.push(client);
    return client;
  };

  it('as a device is closed within a second, refused, and back when the time is over', async () => {
    const client = (await open('device-1'))!;
    const other = (await open('device-2'))!;
    const namesake = (await open('device-1', '127.0.0.1', 'globex'))!;
    for (const one of [client, other, namesake]) expect(await isServed(one)).toBe(true);
    await run('ban add --tenant acme --device device-1 --for 2s --reason guessing');
    expect(await client.isClosed(WITHIN_MS)).toBe(true);
    expect(await isServed(await open('device-1'))).toBe(false);
    for (const one of [other, namesake]) expect(await isServed(one)).toBe(true);
    expect(await run('ban list')).toMatch(/acme\/device-1 .* operator +guessing/);
    expect(await run('ban list --tenant globex')).toBe('nobody is banned\n');
    const line = await fixture.audited('security', ({ reason }) => reason === 'banned');
    expect(line).toMatchObject({ outcome: 'failure' });
    await expect.poll(async () => isServed(await open('device-1')), { timeout: 5000 }).toBe(true);
    expect(await run('ban list')).toBe('nobody is banned\n');
  });

  it('as a user is shut out of the SASL listener too, with the answer of any refusal', async () => {
    await upsertScramUser((await open('admin-1'))!, 'service-1', PASSWORD);
    const connect = (): Promise<WireClient> =>
      WireClient.connect(fixture.broker.saslPort, fixture.who('acme', 'device-1'), {
        cert: undefined,
        key: undefined,
      });
    const login = await connect();
    expect((await scramLogin(login, 'acme/service-1', PASSWORD)).errorCode).toBe(0);
    const wrong = await scramLogin(await connect(), 'acme/service-1', 'not this one');
    await run('ban add --tenant acme --principal User:service-1 --for 1h');
    expect(await login.isClosed(WITHIN_MS)).toBe(true);
    expect(await scramLogin(await connect(), 'acme/service-1', PASSWORD)).toEqual(wrong);
    await run('ban remove --tenant acme --device service-1');
    expect((await scramLogin(await connect(), 'acme/service-1', PASSWORD)).errorCode).toBe(0);
  });

  it.each([
    ['an address', '127.0.0.2', '127.0.0.2', '127.0.0.3'],
    ['a network', '127.0.1.0/24', '127.0.1.77', '127.0.2.1'],
  ])('as %s is closed, and dropped without a byte of TLS', async (_, banned, inside, outside) => {
    const client = (await open('device-1', inside))!;
    const other = (await open('device-1', outside))!;
    expect(await isServed(client)).toBe(true);
    await run(`ban add --address ${banned} --for 1h`);
    expect(await client.isClosed(WITHIN_MS)).toBe(true);
    expect(await isServed(other)).toBe(true);
    expect(await seenBy(fixture.broker.port, inside)).toEqual({ bytes: 0, closed: true });
    expect(await seenBy(fixture.broker.saslPort, inside)).toEqual({ bytes: 0, closed: true });
    expect(await seenBy(fixture.broker.port, outside)).toEqual({ bytes: 0, closed: false });
    await run(`ban remove --address ${banned}`);
    expect(await isServed(await open('device-1', inside))).toBe(true);
  });

  it('is in the security log before it is in force; repeats are counted', async () => {
    const lines = fixture.audit('security');
    const recorded = lines.findIndex(({ reason }) => reason === 'ban-add');
    const closed = lines.findIndex(
      ({ type, reason, detail }) =>
        type === 'connection' && reason === 'revoked' && detail?.startsWith('banned: ') === true,
    );
    expect(lines[recorded]).toMatchObject({ type: 'administration', outcome: 'success' });
    expect(closed).toBeGreaterThan(recorded);
    await run('ban add --address 127.0.0.2 --for 1h');
    await Promise.all(Array.from({ length: 60 }, () => seenBy(fixture.broker.port, '127.0.0.2')));
    const sum = await fixture.audited('security', (line) => Number(line.count) > 1);
    expect(sum).toMatchObject({ reason: 'banned', address: '127.0.0.2' });
    await run('ban remove --address 127.0.0.2');
  });

  it.each([
    ['ban add --for 1h', /name whom/],
    ['ban add --tenant acme --for 1h', /name whom/],
    ['ban add --address 127.0.0.2 --tenant acme --device x --for 1h', /name whom/],
    ['ban add --address 127.0.0.2 --for soon', /--for is a number and a unit/],
    ['ban add --address 127.0.0.2', /--for/],
    ['ban add --tenant acme --principal Role:x --for 1h', /User:<name>/],
  ])('%s is a mistake of usage', async (line, message) => {
    const { code, stderr } = await runInProcess(line.split(' '));
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it.each([
    ['ban add --address 127.0.0.1/8 --for 1h', /host bits/],
    ['ban add --address 0.0.0.0/0 --for 1h', /every address/],
    ['ban add --tenant nowhere --device x --for 1h', /no such tenant/],
    ['ban add --address 127.0.0.2 --for 9999d', /durationMs/],
    ['ban remove --address 127.0.0.77', /no such ban/],
  ])('%s is refused, and nothing is banned', async (line, message) => {
    const { code, stderr } = await runInProcess(line.split(' '));
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(await run('ban list')).toBe('nobody is banned\n');
  });
});
