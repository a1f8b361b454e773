// Stores, fetches and lists with the client that oapi-codegen generates.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"client/api"
)

func check(ok bool, what string, more any) {
	if !ok {
		fmt.Fprintln(os.Stderr, what, more)
		os.Exit(1)
	}
}

func main() {
	client, err := api.NewClientWithResponses(os.Args[1])
	check(err == nil, "client", err)
	ctx, name, data := context.Background(), "go ä%", bytes.Repeat([]byte("0123456789abcdef"), 16000)

	stored, err := client.PutFileWithBodyWithResponse(ctx, name, nil, "application/octet-stream", bytes.NewReader(data))
	check(err == nil && stored.JSON201 != nil && stored.JSON201.Size == uint64(len(data)), "put", err)
	upload := api.PostFileJSONRequestBody{Filename: "go json", File: data}
	posted, err := client.PostFileWithResponse(ctx, nil, upload)
	check(err == nil && posted.JSON201 != nil && posted.JSON201.Sha256 == stored.JSON201.Sha256, "post", err)

	fetched, err := client.GetFileWithResponse(ctx, name, nil)
	check(err == nil && bytes.Equal(fetched.Body, data), "get", err)

	prefix, names := "go", ""
	page, err := client.ListFilesWithResponse(ctx, &api.ListFilesParams{Prefix: &prefix})
	check(err == nil && page.JSON200 != nil, "list", err)
	for _, file := range page.JSON200.Files {
		names += file.Filename + ","
	}
	check(names == "go json,go ä%,", "listed", names)
	fmt.Println("oapi-codegen: stored, fetched, listed")
}
