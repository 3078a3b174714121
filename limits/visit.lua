-- One visit of one gateway to one shard of the shared budgets: it says what it
-- has used of each and is told how much more it may use. Atomic, and harmless
-- when it is repeated or comes late: totals are running totals, visits are
-- numbered.
--
-- A budget is {level, at, ends, pressed, {gateway = {hold, total, demand, part}}, burst, used, claim}:
-- level is what is left of it at the time at, leases included; hold is a
-- gateway's lease; used is what was used since this memory began.
-- A claim is {gateway, at, units}: it was short of so much while others held parts
-- of it that are too small for them as well. They are told to yield.
-- No hold grows while the sum of all is more than the level.
--
-- KEYS  budgets (hash), gateways (hash), pressed (sorted set): one hash tag
-- ARGV  1 gateway, 2 number of the visit, 3 era it knows ("" none), 4 era if there is none,
--       5 pressed since, 6 ms until a silent gateway is gone, 7 ms of silence that settle,
--       8 ms of settling, 9 whether it leaves (1), then 15 for each budget:
--       name, units a minute, burst, s it is kept, total, total last confirmed,
--       level last told ("" none), when, in which era, floor, need, want, has, demand a minute, lack
local books, gates, pressed = KEYS[1], KEYS[2], KEYS[3]
local me, number, era = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local lease, silence, settling = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local calm = 1000 -- ms without pressure before leases are generous again
local most = 512  -- names of pressed budgets told at once

local t = redis.call('TIME')
local now = t[1] * 1000 + math.ceil(t[2] / 1000)

-- What stands at these keys and is not what a visit writes (another type, text
-- where a number belongs, a budget that cannot be read) makes the memory of this
-- shard worthless: all of it is dropped, as if it had been lost, and gateways
-- tell it anew. wrong says what it was.
local wrong = ''
local function num(x)
  local n = tonumber(x)
  if n and n == n and n > -1e18 and n < 1e18 then return n end
end
for i, want in ipairs({'hash', 'hash', 'zset'}) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= want and wrong == '' then wrong = KEYS[i] .. ' is a ' .. is .. ', not a ' .. want end
end
if wrong == '' then
  for _, f in ipairs({'#clock', '#last', '#settled', '#scan'}) do
    local v = redis.call('HGET', gates, f)
    if v and not num(v) then wrong = f .. ' of ' .. gates .. ' is no number' end
  end
  local all = redis.call('HGETALL', gates)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'g:' and not string.match(all[i + 1], '^%d+ %d+$') then wrong = all[i] .. ' of ' .. gates .. ' is no time and number of a visit' end
  end
end
local function budget(raw)
  local ok, b = pcall(cmsgpack.unpack, raw)
  if not ok or type(b) ~= 'table' or type(b[5]) ~= 'table' or type(b[8]) ~= 'table' then return end
  for _, i in ipairs({1, 2, 3, 4, 6, 7}) do
    if type(b[i]) ~= 'number' or not num(b[i]) then return end
  end
  if type(b[8][1]) ~= 'string' or type(b[8][2]) ~= 'number' or type(b[8][3]) ~= 'number' then return end
  for g, h in pairs(b[5]) do
    if type(g) ~= 'string' or type(h) ~= 'table' then return end
    for i = 1, 4 do
      if type(h[i]) ~= 'number' then return end
    end
  end
  return b
end
if wrong == '' then
  for i = 10, #ARGV, 15 do
    local raw = redis.call('HGET', books, ARGV[i])
    if raw and not budget(raw) then wrong = ARGV[i] .. ' of ' .. books .. ' is no budget' end
  end
end
if wrong ~= '' then redis.call('DEL', books, gates, pressed) end

local state = {}
local all = redis.call('HGETALL', gates)
for i = 1, #all, 2 do state[all[i]] = all[i + 1] end

-- The clock stands still while nobody comes: a pause of this server makes no
-- gateway look dead.
local last = tonumber(state['#last'] or now)
local gap = math.max(now - last, 0)
local clock = tonumber(state['#clock'] or 0) + math.min(gap, silence)
local settled = tonumber(state['#settled'] or 0)
local known = state['#era']
if not known then
  known = ARGV[4]
  redis.call('HSET', gates, '#era', known)
  if era ~= '' then settled = now + settling end -- memory was lost
elseif era ~= '' and era ~= known then
  settled = math.max(settled, now + settling)
end
if gap > silence then settled = now + settling end
local unsettled = now < settled

local live, count = {[me] = true}, 1
for f, v in pairs(state) do
  if string.sub(f, 1, 2) == 'g:' then
    local g = string.sub(f, 3)
    local seen, n = string.match(v, '^(%d+) (%d+)$')
    if g == me then
      if number <= tonumber(n) then return {'stale'} end
    elseif clock - tonumber(seen) > lease then
      redis.call('HDEL', gates, f)
    else
      live[g] = true
      count = count + 1
    end
  end
end
redis.call('HSET', gates, '#clock', clock, '#last', now, '#settled', settled, 'g:' .. me, string.format('%d %d', clock, number))

-- share is this gateway's part, in millionths, of a rate, should this server fall
-- silent. A tenth is divided evenly, so that nobody is without; the rest among
-- demands: who asks for less than an even part gets that, the others divide what
-- is over. The parts that were told never add up to more than all of it: what
-- others still have is theirs until they come. short: it is less than it should be.
local function share(rate, holds, mine)
  local demands, told = {}, 0
  for g, h in pairs(holds) do
    if g ~= me then
      demands[#demands + 1] = h[3]
      told = told + h[4]
    end
  end
  for _ = #demands + 2, count do demands[#demands + 1] = 0 end
  demands[#demands + 1] = mine
  table.sort(demands)
  local left, part = rate, nil
  for i, d in ipairs(demands) do
    local got = math.min(d, left / (#demands - i + 1))
    if d == mine and not part then part = got end
    left = left - got
  end
  local least = math.floor(1e5 / #demands)
  local whole = least + math.floor(9e5 * (part + left / #demands) / rate)
  local now = math.max(math.min(whole, 1e6 - told), least)
  return now, whole - now > 1e4 and mine / rate > now / 1e6
end

local function visit(i)
  local name, rate, burst, keep = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local total, since, seen, seenAt = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]), ARGV[i + 6], tonumber(ARGV[i + 7])
  local seenEra, floor, need, want = ARGV[i + 8], tonumber(ARGV[i + 9]), tonumber(ARGV[i + 10]), tonumber(ARGV[i + 11])
  local has, demand, lack = tonumber(ARGV[i + 12]), tonumber(ARGV[i + 13]), tonumber(ARGV[i + 14])
  local fill = rate / 60000
  local raw = redis.call('HGET', books, name)
  local level, at, press, holds, used, claim = burst, now, 0, {}, 0, {'', 0, 0}
  if raw then
    local b = cmsgpack.unpack(raw)
    level, at, press, holds, used, claim = b[1], b[2], b[4], b[5], b[7], b[8]
    if rate == 0 then level = level + burst - b[6] end -- the limit was changed, what is used of it was not
  end
  level = level + math.max(now - at, 0) * fill
  if seen ~= '' and (not raw or seenEra ~= known) then
    -- What others have used since this memory began is not in what it saw
    -- before; in what a ledger says (no era) it may be.
    local before = tonumber(seen) + math.max(now - seenAt, 0) * fill
    if seenEra ~= '' then before = before - used end
    level = math.min(level, before)
  end
  local mine = holds[me]
  -- What was used meanwhile was used of what there was: never more than a burst.
  -- While others have yet to say what they used, nobody knows what there was.
  if not unsettled then level = math.min(level, burst) end
  local more = total - (mine and mine[2] or since)
  level, used = level - more, used + more
  if not unsettled then level = math.min(level, burst) end
  if rate > 0 then level = math.max(level, -burst) end

  local others = 0
  for g, h in pairs(holds) do
    if not live[g] then
      holds[g] = nil
    elseif g ~= me then
      others = others + h[1]
    end
  end
  if now - claim[2] > calm or not live[claim[1]] then claim = {'', 0, 0} end
  local hold, credit, yield = math.max(has, floor), 0, 0
  if not unsettled then
    local goal = need
    if now - press > calm then goal = math.max(goal, math.min(want, math.floor(math.max(level, 0) / (2 * count)))) end
    -- What it has and wants it keeps: a lease is given back, never taken.
    hold = math.max(floor, math.min(has, want), 0)
    if claim[1] ~= '' and claim[1] ~= me then
      yield = 1
    else
      hold = math.max(hold, math.min(goal, math.floor(level - others)))
      credit = math.max(math.floor(level - others - hold), 0)
      if claim[1] == me and hold >= claim[3] then claim = {'', 0, 0} end
      if lack > hold and level >= lack then claim = {me, now, lack} end
    end
    if need > hold and others > 0 then
      press = now
      redis.call('ZADD', pressed, now, name)
    end
  end
  local part, short = math.floor(1e6 / count), false
  if rate > 0 then part, short = share(rate, holds, demand) end
  if short then redis.call('ZADD', pressed, now, name) end
  if ARGV[9] == '1' or want < 0 and floor == 0 then
    holds[me] = nil
  else
    holds[me] = {hold, total, demand, part}
  end
  redis.call('HSET', books, name, cmsgpack.pack({level, now, now + keep * 1000, press, holds, burst, used, claim}))
  return hold, credit, math.floor(level), yield, part
end

local grants = {}
for i = 10, #ARGV, 15 do
  local hold, credit, level, yield, part = visit(i)
  local n = #grants
  grants[n + 1], grants[n + 2], grants[n + 3], grants[n + 4], grants[n + 5] = hold, credit, level, yield, part
end

-- What was pressed since, so that who has leases to spare brings them.
local names = {}
local cursor = ARGV[5]
local found = redis.call('ZRANGEBYSCORE', pressed, '(' .. cursor, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
for i = 1, #found, 2 do
  names[#names + 1] = found[i]
  cursor = found[i + 1]
end
redis.call('ZREMRANGEBYSCORE', pressed, '-inf', now - 60000)

-- A few budgets that nobody keeps any more are forgotten at each visit.
local scan = redis.call('HSCAN', books, state['#scan'] or '0', 'COUNT', 4)
for i = 1, #scan[2], 2 do
  local b = budget(scan[2][i + 1])
  if not b or b[3] < now then redis.call('HDEL', books, scan[2][i]) end
end
redis.call('HSET', gates, '#scan', scan[1])

if ARGV[9] == '1' then redis.call('HDEL', gates, 'g:' .. me) end
for _, k in ipairs(KEYS) do redis.call('PEXPIRE', k, 40 * 24 * 3600 * 1000) end
return {known, string.format('%d', now), count, unsettled and 1 or 0, cursor, names, grants, wrong}
