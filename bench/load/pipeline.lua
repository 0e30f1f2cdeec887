-- Sixteen requests in one write, for wrk.
local depth = 16
local batch

init = function()
    local one = {}

    for i = 1, depth do
        one[i] = wrk.format()
    end
    batch = table.concat(one)
end

request = function()
    return batch
end
