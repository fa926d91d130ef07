-- The requests of wrk, and its figures as one line of JSON. Arguments:
--   keys COUNT            good keys, in random order
--   zipf COUNT SEED       good keys, number n with frequency 1/n
--   junk RUN              unknown keys, each once

local head, tail
local requests, sums, run = {}, nil, nil
local count, made = 0, 0
local threads = 0

-- wrk calls this once for each of its threads. Threads share no variables.
function setup(thread)
  threads = threads + 1
  thread:set("own_number", threads)
end

local function request_for(key)
  return head .. key .. tail
end

local function good(number)
  local request = requests[number]
  if not request then
    request = request_for(string.format("k_live_%032d", number))
    requests[number] = request
  end
  return request
end

local function junk()
  made = made + 1
  return request_for(string.format("k_junk_%016d%016d", run, made))
end

local function any()
  return good(math.random(0, count - 1))
end

local function zipf()
  local wanted, low, high = math.random() * sums[count], 1, count
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sums[middle] < wanted then low = middle + 1 else high = middle end
  end
  return good(low - 1)
end

function init(arguments)
  local whole = wrk.format("GET", nil, { ["Authorization"] = "Bearer KEY" })
  local from, to = whole:find("KEY", 1, true)
  head, tail = whole:sub(1, from - 1), whole:sub(to + 1)
  local kind = arguments[1]
  if kind == "junk" then
    run = tonumber(arguments[2]) * 1000 + own_number
    request = junk
    return
  end
  count = tonumber(arguments[2])
  request = any
  -- Otherwise all threads would present the same keys at the same time.
  math.randomseed(own_number)
  if kind == "zipf" then
    math.randomseed(tonumber(arguments[3]) + own_number)
    sums = {}
    local sum = 0
    for number = 1, count do
      sum = sum + 1 / number
      sums[number] = sum
    end
    request = zipf
  else
    for number = 0, count - 1 do good(number) end
  end
end

-- Without this, wrk would not look for the function that `init` sets.
function request() end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"broken":%d,"refused":%d,"median":%d,"high":%d}\n',
    summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.timeout,
    errors.status, latency:percentile(50), latency:percentile(99)))
end
