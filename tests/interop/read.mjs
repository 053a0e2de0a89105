// Reads feeds with feedsmith: one JSON line in ({path}), one out ({items: [[id, link, title, published]]} or {fault}).
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseFeed } from 'feedsmith'

const text = value => (typeof value === 'object' && value !== null ? value.value : value) ?? ''
const alternate = links => links?.find(link => link.rel === 'alternate')?.href ?? ''

const readers = {
  atom: feed => (feed.entries ?? []).map(one => [one.id, alternate(one.links), text(one.title), one.published]),
  rss: feed => (feed.items ?? []).map(one => [text(one.guid), one.link, text(one.title), one.pubDate]),
  json: feed => (feed.items ?? []).map(one => [one.id, one.url, one.title ?? '', one.date_published])
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { format, feed } = parseFeed(readFileSync(JSON.parse(line).path, 'utf8'))
    console.log(JSON.stringify({ items: readers[format](feed) }))
  } catch (fault) {
    console.log(JSON.stringify({ fault: String(fault) }))
  }
}
