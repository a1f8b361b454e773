// Stores, fetches, lists and deletes with the client that oapi-codegen generates.
package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
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
	bearer := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
		return nil
	}
	client, err := api.NewClientWithResponses(os.Args[1], api.WithRequestEditorFn(bearer))
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

	for _, stored := range []string{name, "go json"} {
		deleted, err := client.DeleteFileWithResponse(ctx, stored, nil)
		check(err == nil && deleted.StatusCode() == 204, "delete", err)
	}
	gone, err := client.GetFileWithResponse(ctx, name, nil)
	check(err == nil && gone.JSON404 != nil && gone.JSON404.Code == 2, "gone", err)
	fmt.Println("oapi-codegen: stored, fetched, listed, deleted")
}
