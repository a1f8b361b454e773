// version 1
module dfs/pause

go 1.26.0
