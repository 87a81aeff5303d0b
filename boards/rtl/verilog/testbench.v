// The same run for any Verilog simulator: features in by $readmemh, drained channels out as decimal lines.
// +features=FILE (one byte a line), +d_in=N, +windows=N; prints "biased value" per channel and "cycles N" per window.
`timescale 1ns / 1ps
module testbench;
    parameter LANES = 64;
    parameter WEIGHT_WORDS = 1024;
    parameter CHANNEL_WORDS = 256;
    parameter LAYER_WORDS = 32;
    parameter ACTIVATION_WORDS = 1024;
    parameter FEATURE_WORDS = 1024;

    reg clk = 1'b0;
    reg reset = 1'b1;
    reg load_enable = 1'b0;
    reg start = 1'b0;
    reg [31:0] load_address = 32'd0;
    reg signed [7:0] load_data = 8'sd0;
    wire busy, out_valid, out_last_layer;
    wire signed [31:0] out_biased;
    wire signed [7:0] out_value;

    reg [7:0] features[0:FEATURE_WORDS-1];
    reg [8*1024-1:0] feature_file;
    integer d_in, windows, window, i, cycles;

    ternary_top #(
        .LANES(LANES),
        .WEIGHT_WORDS(WEIGHT_WORDS),
        .CHANNEL_WORDS(CHANNEL_WORDS),
        .LAYER_WORDS(LAYER_WORDS),
        .ACTIVATION_WORDS(ACTIVATION_WORDS)
    ) top (
        .clk(clk),
        .reset(reset),
        .load_enable(load_enable),
        .load_address(load_address),
        .load_data(load_data),
        .start(start),
        .busy(busy),
        .out_valid(out_valid),
        .out_last_layer(out_last_layer),
        .out_biased(out_biased),
        .out_value(out_value)
    );

    always #5 clk = !clk;
    always @(posedge clk) begin
        if (busy) cycles = cycles + 1;
        if (out_valid) $display("%0d %0d", out_biased, out_value);
    end

    initial begin
        if (!$value$plusargs("features=%s", feature_file)) $finish;
        if (!$value$plusargs("d_in=%d", d_in)) $finish;
        if (!$value$plusargs("windows=%d", windows)) $finish;
        $readmemh(feature_file, features);
        @(negedge clk);
        @(negedge clk) reset = 1'b0;
        for (window = 0; window < windows; window = window + 1) begin
            for (i = 0; i < d_in; i = i + 1) begin
                load_enable = 1'b1;
                load_address = i;
                load_data = features[window*d_in+i];
                @(negedge clk);
            end
            load_enable = 1'b0;
            start = 1'b1;
            cycles = 0;
            @(negedge clk) start = 1'b0;
            while (busy) @(negedge clk);
            $display("cycles %0d", cycles);
        end
        $finish;
    end
endmodule
