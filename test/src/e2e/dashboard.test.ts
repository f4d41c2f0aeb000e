/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chromium, type Browser, type Page } from 'playwright-core';
import { eventually } from '../support/eventually.js';
import { findChromium } from '../support/find-chromium.js';
import { httpCall } from '../support/http-call.js';
import { readPrometheusText } from '../support/prometheus-samples.js';
import { startShop, type ShopMesh } from '../support/shop-mesh.js';

const found = findChromium();
const skip = 'missing' in found ? found.missing : false;

const CALLS = 60;

/** Nobody decides it by itself within this test. */
const CANARY = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
---
apiVersion: heddle.dev/v1alpha1
kind: Canary
metadata: { name: reviews }
spec:
  host: reviews
  stable: { subset: v1 }
  canary: { subset: v2 }
  steps: [{ weight: 10 }]
  interval: 10m
`;

describe('the dashboard in a browser', { skip, timeout: 240_000 }, () => {
  let mesh: ShopMesh;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  before(async () => {
    mesh = await startShop();
    browser = await chromium.launch({
      executablePath: 'path' in found ? found.path : '',
      args: ['--no-sandbox'],
    });
    page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(address('#/graph'));
    await page.locator('svg.graph').waitFor();
  });
  after(async () => {
    await browser?.close();
    await mesh?.stop();
  });

  const address = (place: string): string => `http://127.0.0.1:${mesh.apiPort}/${place}`;

  it('shows for every arrow what the sidecars counted', async () => {
    for (let i = 0; i < CALLS; i++)
      assert.equal((await httpCall(mesh.gatewayPort, `/products/${i}`)).status, 200);
    const counted = await callsByArrow(mesh);
    const entries = counted.get('ingressgateway storefront') ?? 0;
    assert.ok(entries > CALLS, `only ${entries} calls were counted`);
    await page.waitForFunction(
      (wanted) =>
        document.querySelector('[data-call$="default/storefront"]')?.getAttribute('data-requests') === wanted,
      String(entries),
      { timeout: 20_000 },
    );
    const shown = await page.locator('tr[data-call]').evaluateAll((rows) =>
      rows.map((row): [string, number] => {
        const ends = (row.getAttribute('data-call') ?? '').split(' ').map((id) => id.split('/')[1]);
        return [ends.join(' '), Number(row.getAttribute('data-requests'))];
      }),
    );
    assert.deepEqual(new Map(shown.sort()), new Map([...counted].sort()));
    assert.equal(await page.locator('g.edge').count(), counted.size);
    assert.equal(await page.locator('.lock.mutual-tls').count(), counted.size);
  });

  it('stays still while figures change', async () => {
    const places = (): Promise<readonly (string | null)[]> =>
      page.locator('g.node').evaluateAll((nodes) => nodes.map((node) => node.getAttribute('transform')));
    const before = await places();
    const requests = (): Promise<string | null> =>
      page.locator('[data-call]').first().getAttribute('data-requests');
    const then = await requests();
    for (let i = 0; i < 5; i++) await httpCall(mesh.gatewayPort, '/products/7');
    await page.waitForFunction(
      (old) => document.querySelector('[data-call]')?.getAttribute('data-requests') !== old,
      then,
      { timeout: 20_000 },
    );
    assert.deepEqual(await places(), before);
  });

  it('has a page for a service, its resources with what is wrong, and the proxies', async () => {
    await page.goto(address('#/service/default%2Freviews'));
    await page.getByRole('heading', { name: 'reviews' }).waitFor();
    await page.getByText('Who calls it').waitFor();
    assert.equal(await page.locator('section[data-key=versions] tbody tr').count(), 3);
    await page.goto(address('#/resources/VirtualService/default/shop'));
    await page.locator('pre.yaml').getByText('VirtualService').waitFor();
    await page.goto(address('#/proxies'));
    await page.getByText('every one has acknowledged everything').waitFor();
    assert.equal(await page.locator('tbody tr').count(), mesh.adminPorts.length);
  });

  it('is for looking only, until somebody logs in with the token', async () => {
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByLabel('Token').fill('wrong');
    await page.locator('dialog').getByRole('button', { name: 'Log in' }).click();
    await page.getByText('This is not the token').waitFor();
    await page.getByLabel('Token').fill(mesh.token);
    await page.locator('dialog').getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('button', { name: 'Log out' }).waitFor();
    complaints.splice(0, complaints.length, ...complaints.filter((text) => !text.includes('401')));
  });

  it('promotes a canary by a click, and shows that it gets all calls', async () => {
    await writeFile(join(mesh.meshFolder, 'canary.yaml'), CANARY);
    await page.goto(address('#/canaries'));
    const card = page.locator('[data-canary="default/reviews"]');
    await card.locator('xpath=self::*[@data-phase="observing"]').waitFor({ timeout: 60_000 });
    await card.getByRole('button', { name: 'Promote' }).click();
    await card.locator('xpath=self::*[@data-phase="promoted"]').waitFor();
    await eventually(
      async () => (await httpCall(mesh.apiPort, '/api/v1/convergence')).body.includes('"converged": true'),
      () => mesh.up.output,
    );
    for (let i = 0; i < 20; i++) {
      const { body } = await httpCall(mesh.gatewayPort, '/products/7');
      assert.match(body, /"service":"reviews","version":"v2"/);
    }
  });

  it('runs no script but its own, and says so to the browser', async () => {
    const policy = (await httpCall(mesh.apiPort, '/')).headers['content-security-policy'];
    assert.match(String(policy), /default-src 'none'; script-src 'self'/);
    assert.doesNotMatch(String(policy), /unsafe/);
    const isRun = await page.evaluate(() => {
      const script = document.createElement('script');
      try {
        script.textContent = 'window.planted = true';
      } catch {
        // Trusted Types refuse it before the policy does.
      }
      document.body.append(script);
      script.remove();
      return 'planted' in window;
    });
    assert.equal(isRun, false);
    complaints.splice(
      0,
      complaints.length,
      ...complaints.filter((text) => !/Security Policy|TrustedScript/.test(text)),
    );
  });

  it('gave the browser nothing to complain about', () => {
    assert.deepEqual(complaints, []);
  });
});

/** Requests by caller and called, as the callers' proxies counted them. */
async function callsByArrow(mesh: ShopMesh): Promise<ReadonlyMap<string, number>> {
  const calls = new Map<string, number>();
  for (const port of mesh.adminPorts) {
    const { body } = await httpCall(port, '/stats/prometheus?filter=istio_requests_total');
    for (const { labels, value } of body === '' ? [] : readPrometheusText(body)) {
      if (labels['reporter'] !== 'source') continue;
      const name = `${labels['source_canonical_service']} ${labels['destination_service_name']}`;
      calls.set(name, (calls.get(name) ?? 0) + value);
    }
  }
  return calls;
}
